"""Splitting a training batch that does not fit in memory: by its rows, into two."""

import torch

Batch = dict[str, torch.Tensor]


def split_batch(batch: Batch) -> tuple[Batch, Batch]:
    """Two batches of half the rows each, which predict between them what `batch` predicts.

    `batch` is that of a `stages.training.shared_prefix.Collator` and has two rows or more.
    """
    predicts = batch["logits_to_keep"].nonzero()[:, 0]  # row of each prediction, in their order
    middle = len(batch["input_ids"]) // 2
    first = predicts < middle
    return take(batch, slice(0, middle), first), take(batch, slice(middle, None), ~first)


def take(batch: Batch, rows: slice, predictions: torch.Tensor) -> Batch:
    """Some rows of a batch, without the padding that only others need.

    `predictions` (predicted tokens) is True where a prediction is of one of these rows.
    """
    keep = batch["logits_to_keep"][rows]
    # A row's last prediction stands at its last token: what comes after is padding in all rows.
    width = int(keep.any(dim=0).nonzero().max()) + 1
    return {
        "input_ids": batch["input_ids"][rows, :width],
        "position_ids": batch["position_ids"][rows, :width],
        "attention_mask": batch["attention_mask"][rows, :, :width, :width],
        "labels": batch["labels"][predictions],
        "shift_labels": batch["shift_labels"][predictions],
        "logits_to_keep": keep[:, :width],
    }
