"""Which dialogues of a split are used where a param caps their number."""

from pathlib import Path

import numpy as np
import polars as pl

from stages.common.fingerprints import fingerprints
from stages.common.parquet import open_parquet
from stages.params import Finetune

BATCH = 10_000  # rows


def chosen_rows(split: Path, knobs: Finetune) -> np.ndarray:
    """True for each row of `data/prompts/{train,validation}.parquet` that is used, in file order.

    Of more dialogues than the cap, those with the lowest fingerprints: the same ones on every
    machine and in any order of the rows, and some of those of every higher cap.
    """
    key = {"train": "max_train_samples", "validation": "max_eval_samples"}[split.stem]
    most, file = getattr(knobs, key), open_parquet(split, "run format_prompts first")
    rows = file.metadata.num_rows
    chosen = np.ones(rows, dtype=bool)
    if most is None or rows <= most:
        return chosen
    keys = [
        fingerprints(pl.Series(batch["conversation"])).to_numpy()
        for batch in file.iter_batches(batch_size=BATCH, columns=["conversation"])
    ]
    chosen[np.concatenate(keys).argsort(kind="stable")[most:]] = False
    print(f"finetune: {most} of {rows} dialogues of {split.stem} are used, see finetune.{key}")
    return chosen
