"""Which split a dialogue goes to: its own, or one that is filled from what is trained on."""

import polars as pl
import pyarrow.parquet as pq

from stages.common.cli import UserError
from stages.params import Clean


class EmptySplit(UserError):
    """No dialogue is left in a split; `holdout` is a `clean.holdout` with which each split has one,
    or None."""

    def __init__(self, split: str, holdout: float | None, left: int, dropped: str):
        self.holdout = holdout
        advice = (
            f"set clean.holdout to {holdout}" if holdout else "see clean.columns and clean.fold"
        )
        super().__init__(
            f"no dialogue is left in {split}, of {left} in all"
            f"{f' ({dropped} dropped)' * (dropped != 'none')}: {advice}"
        )


def splits_to_fill(files: dict[str, pq.ParquetFile], params: Clean) -> list[str]:
    """Splits whose dialogues are taken from what is trained on: the source lacks them, or a param
    says so."""
    lacking = [split for split in ("validation", "test") if not files[split].metadata.num_rows]
    if params.fold:
        return ["validation", "test"]
    if params.train_on_validation and "validation" not in lacking:
        return ["validation", *lacking]
    return lacking


def assign(keys: pl.Series, split: str, lacking: list[str], params: Clean) -> pl.Series:
    """The split each dialogue goes to: its own, or one of `lacking`; by its fingerprint alone."""
    if split == "test" or not lacking or (split == "validation" and split not in lacking):
        return pl.Series([split] * len(keys), dtype=pl.String)
    if params.fold:
        number, folds = map(int, params.fold.split("/"))
        # Other digits than those of the fold, so that each fold has its share of validation.
        held = (keys // 10_000 % 10_000) < 10_000 * params.holdout
        tested = keys % 10_000 * folds // 10_000 == number - 1
        parts = pl.when(tested).then(pl.lit("test")).when(held).then(pl.lit("validation"))
        return pl.select(parts.otherwise(pl.lit("train"))).to_series()
    slots = (keys % 10_000 / (10_000 * params.holdout)).floor().cast(pl.Int64)
    return pl.Series([lacking[s] if s < len(lacking) else "train" for s in slots], dtype=pl.String)


def holdout_that_fills(keys: pl.Series, lacking: list[str], params: Clean) -> float | None:
    """The `clean.holdout` nearest to the present one with which dialogues that have these
    fingerprints fill train and each split that is taken from it."""
    values = sorted((n / 100 for n in range(1, 50)), key=lambda n: abs(n - params.holdout))
    for holdout in values:
        at = assign(keys, "train", lacking, params.model_copy(update={"holdout": holdout}))
        if {"train", *lacking} <= set(at):
            return holdout
    return None
