"""Half a training batch, for a batch that does not fit in memory."""

import torch

Batch = dict[str, torch.Tensor]


def halves(batch: Batch) -> tuple[Batch, Batch] | None:
    """Two batches that predict, between them, what `batch` predicts; None where it is one token.

    `batch` is a `stages.common.rows.Collator`'s. Of several rows each half has some. One row is cut
    by its predictions: a half keeps the positions that its predictions see, and these alone.
    """
    keep = batch["logits_to_keep"]
    count = int(keep.sum())
    if count < 2:
        return None
    predicts = keep.nonzero()  # (predictions, 2): row and position, in the order of the labels
    middle = len(keep) // 2
    cut = int((predicts[:, 0] < middle).sum()) if len(keep) > 1 else count // 2
    first, second = slice(0, cut), slice(cut, count)
    return part(batch, predicts[first], first), part(batch, predicts[second], second)


def part(batch: Batch, predicts: torch.Tensor, labels: slice | torch.Tensor) -> Batch:
    """The rows and positions of `batch` that the given predictions need."""
    rows = predicts[:, 0].unique()
    keep = torch.zeros_like(batch["logits_to_keep"])
    keep[predicts[:, 0], predicts[:, 1]] = True
    mask, keep = batch["attention_mask"][rows], keep[rows]  # (rows, 1, length, length)
    seen = (mask[:, 0] & keep[:, :, None]).any(dim=1).any(dim=0)  # by any row: one width for all
    columns = seen.nonzero()[:, 0]
    return {
        "input_ids": batch["input_ids"][rows][:, columns],
        "position_ids": batch["position_ids"][rows][:, columns],
        "attention_mask": mask[:, :, columns][:, :, :, columns],
        "labels": batch["labels"][labels],
        "shift_labels": batch["shift_labels"][labels],
        "logits_to_keep": keep[:, columns],
    }
