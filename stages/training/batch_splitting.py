"""Take some rows of a training batch: a half that fits in memory, a process's share."""

from collections.abc import Callable

import torch

from stages.training.block_masks import BLOCK

BY_TOKEN = ("input_ids", "position_ids", "segment", "dialogue")  # of a batch: (rows, length)
Batch = dict[str, torch.Tensor]


def split_batch(batch: Batch, select: Callable[[Batch, slice], Batch]) -> tuple[Batch, Batch]:
    """Two batches of half the rows each, which together predict what `batch` predicts."""
    middle = len(batch["input_ids"]) // 2
    return select(batch, slice(0, middle)), select(batch, slice(middle, None))


def share(
    batch: Batch, first: int, count: int, select: Callable[[Batch, slice], Batch]
) -> Batch | None:
    """The rows `first`, `first + count` and so on of a batch; None if it has none of them."""
    rows = slice(first, None, count)
    return select(batch, rows) if len(batch["input_ids"][rows]) else None


def select_rows(batch: Batch, rows: slice) -> Batch:
    """Some rows of a batch, without the padding that only the other rows need.

    `batch` comes from a collator of `shared_prefix` or of `separate_rows`.
    """
    predictions = predictions_of(batch, rows)
    predicted = batch["logits_to_keep"][rows]
    # The last token of a row always predicts: behind the last prediction there is only padding.
    width = int(predicted.any(dim=0).nonzero().max()) + 1
    if "segment" in batch:
        width = -(-width // BLOCK) * BLOCK
    chosen = {key: batch[key][rows, :width] for key in BY_TOKEN if key in batch}
    if "attention_mask" in batch:
        mask = batch["attention_mask"][rows]
        chosen["attention_mask"] = mask[:, :, :width, :width] if mask.ndim == 4 else mask[:, :width]
    return chosen | {
        "labels": batch["labels"][predictions],
        "shift_labels": batch["shift_labels"][predictions],
        "logits_to_keep": predicted[:, :width],
    }


def predictions_of(batch: Batch, rows: slice) -> torch.Tensor:
    """For each predicted token (predicted tokens) of a batch, whether it belongs to these rows."""
    chosen = torch.zeros(len(batch["input_ids"]), dtype=torch.bool, device=batch["labels"].device)
    chosen[rows] = True
    return chosen[batch["logits_to_keep"].nonzero()[:, 0]]
