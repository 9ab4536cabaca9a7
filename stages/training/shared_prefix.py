"""Training rows: a dialogue's prompt once, then each of its references, blind to one another.

A row of a dialogue with prompt p₁…pₙ and references a and b is

    p₁ … pₙ₋₁ | pₙ a₁ a₂ … | pₙ b₁ b₂ …

Each segment attends to the shared part and to itself, and its positions restart at n - 1, so the
loss is that of separate rows `p a` and `p b` at little more than the price of one. The prompt's
last token opens every segment because it predicts a different first token in each.
"""

import torch

IGNORE_INDEX = -100  # the label that transformers' losses leave out
MULTIPLE = 16  # rows are padded to it: CPU kernels are compiled anew for every length they meet


def build_row(prompt: list[int], summaries: list[list[int]]) -> dict[str, list[int]]:
    """One dialogue as a row of token ids.

    Returns lists of the row's length: `input_ids`; `labels`, the id each position predicts or
    `IGNORE_INDEX`; `segment`, 0 for the shared part and k for reference k; and `position_ids`.
    """
    *shared, last = prompt
    row = {
        "input_ids": shared.copy(),
        "labels": [IGNORE_INDEX] * len(shared),
        "segment": [0] * len(shared),
        "position_ids": list(range(len(shared))),
    }
    for k, summary in enumerate(summaries, 1):
        row["input_ids"] += [last, *summary[:-1]]
        row["labels"] += summary
        row["segment"] += [k] * len(summary)
        row["position_ids"] += range(len(shared), len(shared) + len(summary))
    return row


def split_row(row: dict[str, list[int]]) -> tuple[list[int], list[list[int]]]:
    """The prompt and the summaries that `build_row` made the row of."""
    shared = row["segment"].count(0)
    summaries = [[] for _ in range(max(row["segment"]))]
    for k, label in zip(row["segment"][shared:], row["labels"][shared:], strict=True):
        summaries[k - 1].append(label)
    return row["input_ids"][: shared + 1], summaries


def pack(lengths: list[int], budget: int) -> list[list[int]]:
    """Bins of indices whose lengths sum to `budget` at most: first fit, longest first.

    A length above the budget is a bin of its own, so with a budget of 0 every bin holds one.
    """
    bins, room = [], []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fitting = (k for k, free in enumerate(room) if free >= lengths[i])
        k = next(fitting, len(bins))
        if k == len(bins):
            bins.append([])
            room.append(budget)
        bins[k].append(i)
        room[k] -= lengths[i]
    return sorted(map(sorted, bins))


class Collator:
    """Pack dialogues into rows, and rows into a batch for a `transformers` causal language model.

    Dialogues share a row while they fit in `row_tokens`, each blind to the others. Gives
    `input_ids` and `position_ids` (rows, length); `attention_mask` (rows, 1, length, length), True
    where a query may look; `logits_to_keep` (rows, length), True where a token is predicted;
    `labels` and `shift_labels` (predicted tokens), so that the vocabulary-sized logits are computed
    for these alone.
    """

    def __init__(self, pad_token_id: int, row_tokens: int = 0):
        self.padding = {
            "input_ids": pad_token_id,
            "labels": IGNORE_INDEX,
            "position_ids": 0,
            "segment": 0,
            "dialogue": -1,  # padding is seen by itself alone
        }
        self.row_tokens = row_tokens

    def __call__(self, dialogues: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        bins = pack([len(d["input_ids"]) for d in dialogues], self.row_tokens)
        longest = max(sum(len(dialogues[i]["input_ids"]) for i in chosen) for chosen in bins)
        width = -(-longest // MULTIPLE) * MULTIPLE

        def padded(key: str) -> torch.Tensor:
            rows = [
                [
                    v
                    for i in chosen
                    for v in dialogues[i].get(key, [i] * len(dialogues[i]["labels"]))
                ]
                for chosen in bins
            ]
            rows = [row + [self.padding[key]] * (width - len(row)) for row in rows]
            return torch.tensor(rows, dtype=torch.long)

        batch = {key: padded(key) for key in self.padding}
        labels, segment, dialogue = batch["labels"], batch["segment"], batch["dialogue"]
        keep = labels != IGNORE_INDEX
        same = dialogue[:, :, None] == dialogue[:, None, :]
        open_to = (segment[:, None, :] == 0) | (segment[:, :, None] == segment[:, None, :])
        causal = torch.ones(width, width, dtype=torch.bool).tril()
        return {
            "input_ids": batch["input_ids"],
            "position_ids": batch["position_ids"],
            "attention_mask": (causal & same & open_to)[:, None],
            "labels": labels[keep],
            "shift_labels": labels[keep],
            "logits_to_keep": keep,
        }
