"""Split a training batch that does not fit in memory into two batches of fewer rows."""

import torch

Batch = dict[str, torch.Tensor]


def split_batch(batch: Batch) -> tuple[Batch, Batch]:
    """Two batches of half the rows each, which together predict what `batch` predicts.

    `batch` comes from `stages.training.shared_prefix.Collator` and has at least two rows.
    """
    row = batch["logits_to_keep"].nonzero()[:, 0]  # of each predicted token, in their order
    middle = len(batch["input_ids"]) // 2
    first = row < middle
    return (
        select_rows(batch, slice(0, middle), first),
        select_rows(batch, slice(middle, None), ~first),
    )


def select_rows(batch: Batch, rows: slice, predictions: torch.Tensor) -> Batch:
    """Some rows of a batch, without the padding that only the other rows need.

    `predictions` (predicted tokens) is True where a token belongs to one of these rows.
    """
    predicted = batch["logits_to_keep"][rows]
    # The last token of a row always predicts: behind the last prediction there is only padding.
    width = int(predicted.any(dim=0).nonzero().max()) + 1
    return {
        "input_ids": batch["input_ids"][rows, :width],
        "position_ids": batch["position_ids"][rows, :width],
        "attention_mask": batch["attention_mask"][rows, :, :width, :width],
        "labels": batch["labels"][predictions],
        "shift_labels": batch["shift_labels"][predictions],
        "logits_to_keep": predicted[:, :width],
    }
