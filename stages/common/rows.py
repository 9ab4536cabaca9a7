"""Training rows: a dialogue's prompt once, then each of its references, blind to one another.

A row of a dialogue with prompt p₁…pₙ and references a and b is

    p₁ … pₙ₋₁ | pₙ a₁ a₂ … | pₙ b₁ b₂ …

Each segment attends to the shared part and to itself, and its positions restart at n - 1, so the
loss is that of separate rows `p a` and `p b` at little more than the price of one. The prompt's
last token opens every segment because it predicts a different first token in each.
"""

import torch

IGNORED = -100  # the label that transformers' losses leave out


def build_row(prompt: list[int], summaries: list[list[int]]) -> dict[str, list[int]]:
    """One dialogue as a row of token ids.

    Returns lists of the row's length: `input_ids`; `labels`, the id each position predicts or
    `IGNORED`; `segment`, 0 for the shared part and k for reference k; and `position_ids`.
    """
    *shared, last = prompt
    row = {
        "input_ids": shared.copy(),
        "labels": [IGNORED] * len(shared),
        "segment": [0] * len(shared),
        "position_ids": list(range(len(shared))),
    }
    for k, summary in enumerate(summaries, 1):
        row["input_ids"] += [last, *summary[:-1]]
        row["labels"] += summary
        row["segment"] += [k] * len(summary)
        row["position_ids"] += range(len(shared), len(shared) + len(summary))
    return row


class Collator:
    """Pad rows to a batch for a `transformers` causal language model.

    Gives `input_ids` and `position_ids` (batch, length); `attention_mask` (batch, 1, length,
    length), True where a query may look; `logits_to_keep` (batch, length), True where a token is
    predicted; `labels` and `shift_labels` (predicted tokens), so that the vocabulary-sized logits
    are computed for these alone.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        width = max(len(row["input_ids"]) for row in rows)

        def padded(key: str, value: int) -> torch.Tensor:
            lists = [row[key] + [value] * (width - len(row[key])) for row in rows]
            return torch.tensor(lists, dtype=torch.long)

        labels = padded("labels", IGNORED)
        keep = labels != IGNORED
        segment = padded("segment", -1)  # padding is a segment of its own, seen by nobody else
        query, key = segment[:, :, None], segment[:, None, :]
        causal = torch.ones(width, width, dtype=torch.bool).tril()
        return {
            "input_ids": padded("input_ids", self.pad_token_id),
            "position_ids": padded("position_ids", 0),
            "attention_mask": (causal & ((query == key) | (key == 0)))[:, None],
            "labels": labels[keep],
            "shift_labels": labels[keep],
            "logits_to_keep": keep,
        }
