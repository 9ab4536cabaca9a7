"""clean: from the source's columns to `id`, `turns`, `references`, with the text cleaned.

Reads `data/raw/{split}.parquet`, writes `data/clean/{split}.parquet` and `dropped.parquet` beside
them, every dropped row with its reason, in batches and in bounded memory. The test split is read
first: a dialogue that stands there, or nearly so, is dropped from validation and train.
`cleaning.json` says how conversations were read, so that new ones are read alike.
"""

from collections import Counter
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from stages.cleaning.columns import settle_columns
from stages.cleaning.layouts import split_turns
from stages.cleaning.near_duplicates import Index
from stages.cleaning.on_ray import mapper
from stages.cleaning.output import Output
from stages.cleaning.pseudonyms import redact_ids
from stages.cleaning.raw import columns_read, read_batches, unread_conversation
from stages.cleaning.references import unread_reference
from stages.cleaning.repeats import Ids, Repeats
from stages.cleaning.roles import name_roles
from stages.cleaning.rules import clean_turns, redact_references
from stages.cleaning.splits import EmptySplit, assign, holdout_that_fills, splits_to_fill
from stages.common.atomic_io import atomic_write, write_json
from stages.common.cli import UserError, run
from stages.common.fingerprints import fingerprints as text_fingerprints
from stages.common.parquet import SPLITS, open_parquet
from stages.params import Clean, load

RAW = Path("data/raw")
CLEAN = Path("data/clean")
# What decides which rows are trained on, and nothing of how a conversation is read.
TRAINING_ONLY = {"max_malformed", "holdout", "train_on_validation", "fold", "near_duplicates"}
REPEATED = ("duplicate", "near-duplicate")  # reasons to drop a row that is well-formed


def main() -> None:
    params, each_batch = load().clean, mapper(load().run.ray)
    files = {split: open_parquet(RAW / f"{split}.parquet", "run fetch first") for split in SPLITS}
    params = params.model_copy(update={"columns": settle_columns(params.columns, files["train"])})
    columns_read(params.columns, files["train"].schema_arrow.names, RAW / "train.parquet")
    lacking = splits_to_fill(files, params)
    redacted, redacted_ids, renamed = Counter(), Counter(), 0
    with atomic_write(CLEAN) as aside:
        out, repeats = Output(aside), Repeats(CLEAN.parent)
        index = Index(params.near_duplicates, CLEAN.parent) if params.near_duplicates else None
        for split in ("validation", "train") if params.fold else ("test", "validation", "train"):
            if split != "train" or "validation" not in lacking:  # else both fill the same splits
                repeats.start()
                ids = Ids(CLEAN.parent)
            batches = read_batches(files[split], params.columns, RAW / f"{split}.parquet", split)
            batches = redact_ids(batches, split, params, redacted_ids)
            for rows, malformed, found in each_batch(partial(clean_batch, params=params), batches):
                redacted += found
                out.drop(split, malformed["id"], malformed["reason"])
                rows, known = repeats.sort(rows)
                out.drop(split, known, "duplicate")
                new, changed = ids.unique(rows["id"])
                renamed += changed
                rows = rows.with_columns(
                    new.alias("id"), split=assign(rows["key"], split, lacking, params)
                )
                for target in rows["split"].unique():
                    part = rows.filter(pl.col("split") == target)
                    if index and not lacking:
                        part = drop_similar(part, target, split, index, out)
                    out.write(target, part)
        out.close_splits()
        if (index and lacking) or repeats.later:
            second_pass(out, repeats, index if lacking else None, lacking)
        out.close()
        check(out, files, params, lacking)
        write_json(aside / "cleaning.json", params.model_dump(exclude=TRAINING_ONLY))
    report(out, repeats.joined, renamed, redacted + redacted_ids if params.redact else None)


def drop_similar(
    rows: pl.DataFrame, split: str, source: str, index: Index, out: Output
) -> pl.DataFrame:
    """Drop from validation what is near a dialogue of test, and from train what is near either's."""
    if split != "test":
        near = index.near(rows["turns"])
        out.drop(source, rows["id"].filter(near), "near-duplicate")
        rows = rows.filter(~near)
    if split != "train":
        index.add(rows["turns"])
    return rows


def second_pass(out: Output, repeats: Repeats, index: Index | None, lacking: list[str]) -> None:
    """Over what was written: references that stood in a later batch than their dialogue, and
    near-duplicates where a dialogue held out of train may stand behind its like."""
    for split in ("test", "validation", "train"):
        source = "train" if split in lacking else split

        def change(rows: pl.DataFrame, split: str = split, source: str = source) -> pl.DataFrame:
            if index:
                rows = drop_similar(rows, split, source, index, out)
            if repeats.later:
                keyed = rows.with_columns(fingerprints(rows["turns"]).alias("key"))
                rows = repeats.add_references(keyed)
            return rows

        out.rewrite(split, change)


def report(out: Output, joined: int, renamed: int, redacted: Counter | None) -> None:
    print(
        "clean:",
        ", ".join(f"{split} {out.counts[split]}" for split in SPLITS),
        "dialogues;",
        end=" ",
    )
    if joined:
        print(f"joined: {joined} rows to others of the same conversation", end="; ")
    if renamed:
        print(f"made unique: {renamed} ids", end="; ")
    print("dropped:", listed(out.dropped), end="; ")
    print("redacted:", "off" if redacted is None else listed(redacted))


def listed(counts: Counter) -> str:
    return ", ".join(f"{n} {what}" for what, n in sorted(counts.items()) if n) or "none"


def check(out: Output, files: dict[str, pq.ParquetFile], params: Clean, lacking: list[str]) -> None:
    rows = sum(file.metadata.num_rows for file in files.values())
    malformed = {why: n for why, n in out.dropped.items() if why not in REPEATED and n}
    share = sum(malformed.values()) / max(rows, 1)
    if share > params.max_malformed:
        reasons = ", ".join(f"{n} {why}" for why, n in sorted(malformed.items()))
        example = unread_conversation(files["train"], params.columns)
        example = example or unread_reference(files["train"], params.columns)
        raise UserError(
            f"{share:.0%} of {rows} rows are malformed ({reasons}), above clean.max_malformed:"
            f" is clean.columns right?{example}"
        )
    for split in SPLITS:
        if not out.counts[split]:
            keys = pl.concat(fingerprints(out.turns(name)) for name in ("train", *lacking))
            holdout = holdout_that_fills(keys, lacking, params) if lacking else None
            raise EmptySplit(split, holdout, out.counts.total(), listed(out.dropped))


def clean_batch(frame: pl.DataFrame, params: Clean) -> tuple[pl.DataFrame, pl.DataFrame, Counter]:
    """Clean one batch: what is left of it, with the fingerprint of its turns as `key`; `id` and
    `reason` of malformed rows; and what was redacted, by kind."""
    redacted: Counter = Counter()
    frame = frame.with_row_index("row")
    turns = name_roles(split_turns(frame, params.columns), params.roles)
    turns = clean_turns(turns, params, redacted)
    grouped = turns.group_by("row", maintain_order=True).agg(turns=pl.struct("speaker", "text"))
    joined = frame.join(grouped, on="row", how="left", maintain_order="left")
    reason = (
        pl.when(pl.col("conversation").is_null())
        .then(pl.lit("without a conversation"))
        .when(pl.col("turns").is_null())
        .then(pl.lit("with empty turns"))
        .when(pl.col("references").is_null())
        .then(pl.lit("without references"))
    )
    joined = joined.with_columns(reason=reason)
    malformed = joined.filter(pl.col("reason").is_not_null()).select("id", "reason")
    kept = joined.filter(pl.col("reason").is_null())
    if params.redact:
        kept = kept.with_columns(
            redact_references(kept["references"], params.redaction, redacted).alias("references")
        )
    kept = kept.select("id", "turns", "references", fingerprints(kept["turns"]).alias("key"))
    return kept, malformed, redacted


def fingerprints(turns: pl.Series) -> pl.Series:
    """64 bits of what each conversation says, whatever its case, spacing or punctuation.

    The same on every machine and in every version, for `assign` rests on it.
    """
    texts = turns.list.eval(pl.element().struct.field("text")).list.join("")
    return text_fingerprints(texts)


if __name__ == "__main__":
    run(main)
