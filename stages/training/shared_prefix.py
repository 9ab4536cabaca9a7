"""Shared-prefix rows: a dialogue's prompt once, then all its references, hidden from one another.

A row of a dialogue with prompt p₁…pₙ and references a and b is

    p₁ … pₙ₋₁ | pₙ a₁ a₂ … | pₙ b₁ b₂ …

Each segment attends to the shared part and to itself, and its positions restart at n - 1. So the
loss equals that of separate rows `p a` and `p b`, at little more than the cost of one. Every segment
begins with the prompt's last token, which predicts another first token in each.
"""

import torch

from stages.model.attention import additive_mask
from stages.training.block_masks import BLOCK, BLOCKS

IGNORE_INDEX = -100  # the label that the losses of transformers ignore
PAD_TO_MULTIPLE_OF = 16  # CPU kernels are compiled for each new length: this leaves fewer
# What a row is padded with. Its tokens are padded with its first one: any will do, for padding is
# known by its mask, and a pad token's embedding may be 0, where Gemma 3n's norms have no derivative.
PADDING = {
    "labels": IGNORE_INDEX,
    "position_ids": 0,
    "segment": 0,
    "dialogue": -1,  # only padding attends to padding
}


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
    """The prompt and the summaries of a row: the inverse of `build_row`."""
    shared = row["segment"].count(0)
    summaries = [[] for _ in range(max(row["segment"]))]
    for k, label in zip(row["segment"][shared:], row["labels"][shared:], strict=True):
        summaries[k - 1].append(label)
    return row["input_ids"][: shared + 1], summaries


def pack(lengths: list[int], budget: int) -> list[list[int]]:
    """Bins of indices whose lengths sum to at most `budget`: first fit, longest first.

    A length above the budget gets its own bin, so with a budget of 0 every bin holds one index.
    """
    bins, free = [], []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fitting = (k for k, tokens in enumerate(free) if tokens >= lengths[i])
        k = next(fitting, len(bins))
        if k == len(bins):
            bins.append([])
            free.append(budget)
        bins[k].append(i)
        free[k] -= lengths[i]
    return sorted(map(sorted, bins))


class Collator:
    """Pack dialogues into rows, and rows into a batch for a `transformers` causal language model.

    Dialogues share a row while they fit in `row_tokens`, hidden from one another. Returns
    `input_ids` and `position_ids` (rows, length); `attention_mask` (rows, 1, length, length), of
    bool True where a query may attend, of a float 0 there and else the dtype's minimum;
    `logits_to_keep` (rows, length), True where a token is predicted; and `labels` and
    `shift_labels` (predicted tokens). The logits, as wide as the vocabulary, are computed for the
    predicted tokens alone. `mask` is the dtype of `attention_mask`; with `BLOCKS` there is none, but
    `segment` and `dialogue` (rows, length), from which the model makes its own.
    """

    def __init__(self, row_tokens: int = 0, mask: torch.dtype | str = torch.bool):
        self.row_tokens, self.mask = row_tokens, mask
        self.pad_to_multiple_of = BLOCK if mask == BLOCKS else PAD_TO_MULTIPLE_OF

    def __call__(self, dialogues: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        bins = pack([len(d["input_ids"]) for d in dialogues], self.row_tokens)
        longest = max(sum(len(dialogues[i]["input_ids"]) for i in chosen) for chosen in bins)
        width = -(-longest // self.pad_to_multiple_of) * self.pad_to_multiple_of

        def padded(key: str) -> torch.Tensor:
            rows = [
                [
                    v
                    for i in chosen
                    for v in dialogues[i].get(key, [i] * len(dialogues[i]["labels"]))
                ]
                for chosen in bins
            ]
            rows = [row + [PADDING.get(key, row[0])] * (width - len(row)) for row in rows]
            return torch.tensor(rows, dtype=torch.long)

        batch = {key: padded(key) for key in ("input_ids", *PADDING)}
        labels = batch.pop("labels")
        predicted = labels != IGNORE_INDEX
        if self.mask != BLOCKS:
            segment, dialogue = batch.pop("segment"), batch.pop("dialogue")
            batch["attention_mask"] = dense_mask(segment, dialogue, self.mask)
        return batch | {
            "labels": labels[predicted],
            "shift_labels": labels[predicted],
            "logits_to_keep": predicted,
        }


def dense_mask(segment: torch.Tensor, dialogue: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The mask (rows, 1, length, length) of rows with these ids (rows, length)."""
    same_dialogue = dialogue[:, :, None] == dialogue[:, None, :]
    same_segment_or_prompt = (segment[:, None, :] == 0) | (
        segment[:, :, None] == segment[:, None, :]
    )
    causal = torch.ones(segment.shape[1], segment.shape[1], dtype=torch.bool).tril()
    mask = (causal & same_dialogue & same_segment_or_prompt)[:, None]
    return mask if dtype == torch.bool else additive_mask(mask, dtype)
