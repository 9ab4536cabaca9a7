"""clean: from the source's columns to `id`, `turns`, `references`, with the text cleaned.

Reads `data/raw/{split}.parquet`, writes `data/clean/{split}.parquet`, in batches and in bounded
memory. Rows that cannot be understood are counted by reason. The test split is read first: a
dialogue that stands there, or nearly so, is dropped from validation and train. `cleaning.json` says
how conversations were read, so that new ones are read alike.
"""

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.cleaning.columns import read_references, split_turns
from stages.cleaning.near_duplicates import Index
from stages.cleaning.rules import clean_turns, redact_references
from stages.common.atomic_io import atomic_write, write_json
from stages.common.cli import UserError, run
from stages.common.parquet import SPLITS, open_parquet
from stages.common.prefetch import prefetch
from stages.params import Clean, Columns, load

RAW = Path("data/raw")
CLEAN = Path("data/clean")
BATCH = 20_000  # rows
# What decides which rows are trained on, and nothing of how a conversation is read.
TRAINING_ONLY = {"max_malformed", "holdout", "near_duplicates"}
PUNCTUATION = bytes(code for code in range(128) if not chr(code).isalnum())  # and white space
REPEATED = ("duplicate", "near-duplicate")  # reasons to drop a row that is well-formed
TURN = pa.struct([("speaker", pa.string()), ("text", pa.string())])
SCHEMA = pa.schema(
    [("id", pa.string()), ("turns", pa.list_(TURN)), ("references", pa.list_(pa.string()))]
)


def main() -> None:
    params = load().clean
    files = {split: open_parquet(RAW / f"{split}.parquet", "run fetch first") for split in SPLITS}
    rows = {split: file.metadata.num_rows for split, file in files.items()}
    lacking = [split for split in ("validation", "test") if not rows[split]]
    counts, dropped, redacted, seen = Counter(), Counter(), Counter(), set()
    index = Index(params.near_duplicates) if params.near_duplicates else None
    with atomic_write(CLEAN) as aside:
        aside.mkdir()
        writers = {s: pq.ParquetWriter(aside / f"{s}.parquet", SCHEMA) for s in SPLITS}
        for split in ("test", "validation", "train"):
            frames = read_batches(files[split], params.columns, split)
            batches = prefetch(partial(clean_batch, params=params), frames)
            for cleaned, keys, reasons, found in batches:
                dropped += reasons
                redacted += found
                # A split's own repeats go too: weighing a dialogue twice is nobody's intention.
                first = [key not in seen and not seen.add(key) for key in keys]
                fresh = pl.Series(first, dtype=pl.Boolean)
                dropped["duplicate"] += len(keys) - int(fresh.sum())
                cleaned, keys = cleaned.filter(fresh), keys.filter(fresh)
                goes_to = assign(keys, split, lacking, params.holdout)
                for target in goes_to.unique():
                    part = cleaned.filter(goes_to == target)
                    if index and not lacking:
                        dropped["near-duplicate"] += len(part)
                        part = unlike(part, target, index)
                        dropped["near-duplicate"] -= len(part)
                    counts[target] += len(part)
                    writers[target].write_table(part.to_arrow().cast(SCHEMA))
        for writer in writers.values():
            writer.close()
        if index and lacking:
            dropped["near-duplicate"] = drop_near_duplicates(aside, index, counts)
        check(counts, dropped, sum(rows.values()), params)
        write_json(aside / "cleaning.json", params.model_dump(exclude=TRAINING_ONLY))
    print(
        "clean:", ", ".join(f"{split} {counts[split]}" for split in SPLITS), "dialogues;", end=" "
    )
    print("dropped:", listed(dropped), end="; ")
    print("redacted:", listed(redacted) if params.redact else "off")


def unlike(frame: pl.DataFrame, split: str, index: Index) -> pl.DataFrame:
    """Drop from validation what is near a dialogue of test, and from train what is near either's."""
    if split != "test":
        frame = frame.filter(~index.near(frame["turns"]))
    if split != "train":
        index.add(frame["turns"])
    return frame


def drop_near_duplicates(folder: Path, index: Index, counts: Counter) -> int:
    """A pass of its own, where a dialogue held out of train may stand behind its like."""
    before = counts.total()
    for split in ("test", "validation", "train"):
        file, kept = folder / f"{split}.parquet", folder / "kept.parquet"
        counts[split] = 0
        with pq.ParquetWriter(kept, SCHEMA) as writer:
            for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(batch_size=BATCH):
                frame = unlike(pl.from_arrow(batch), split, index)
                counts[split] += len(frame)
                writer.write_table(frame.to_arrow().cast(SCHEMA))
        kept.replace(file)
    return before - counts.total()


def listed(counts: Counter) -> str:
    return ", ".join(f"{n} {what}" for what, n in sorted(counts.items()) if n) or "none"


def check(counts: Counter, dropped: Counter, rows: int, params: Clean) -> None:
    malformed = {why: n for why, n in dropped.items() if why not in REPEATED and n}
    share = sum(malformed.values()) / max(rows, 1)
    if share > params.max_malformed:
        reasons = ", ".join(f"{n} {why}" for why, n in sorted(malformed.items()))
        raise UserError(
            f"{share:.0%} of {rows} rows are malformed ({reasons}), above clean.max_malformed:"
            " is clean.columns right?"
        )
    for split in SPLITS:
        if not counts[split]:
            raise UserError(f"no dialogue is left in {split}: see clean.holdout and clean.columns")


def read_batches(source: pq.ParquetFile, columns: Columns, split: str):
    """Yield frames of `id`, `conversation`, `references` from a raw file."""
    names = source.schema_arrow.names
    reference = columns.references.split(".")[0]
    if reference not in names and columns.references in names:
        reference = columns.references
    wanted = {"id": columns.id, "conversation": columns.conversation, "references": reference}
    for key, name in wanted.items():
        if name is not None and name not in names:
            raise UserError(
                f"{RAW / split}.parquet has no column {name!r}: set clean.columns.{key} to one of"
                f" {', '.join(names)}"
            )
    start = 0
    picked = [name for name in dict.fromkeys(wanted.values()) if name is not None]
    for batch in source.iter_batches(batch_size=BATCH, columns=picked):
        frame = pl.from_arrow(batch)
        numbers = pl.Series([f"{split}-{start + i + 1}" for i in range(len(frame))])
        ids = frame[columns.id].cast(pl.String) if columns.id else numbers
        yield pl.DataFrame(
            {
                "id": ids.fill_null(numbers),
                "conversation": frame[columns.conversation],
                "references": read_references(frame[reference], columns.references),
            }
        )
        start += len(frame)


def clean_batch(
    frame: pl.DataFrame, params: Clean
) -> tuple[pl.DataFrame, pl.Series, Counter, Counter]:
    """Clean one batch: what is left of it and its fingerprints, rows dropped by reason, what was
    redacted by kind."""
    redacted: Counter = Counter()
    frame = frame.with_row_index("row")
    turns = clean_turns(split_turns(frame, params.columns), params, redacted)
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
    reasons = Counter(joined["reason"].drop_nulls().to_list())
    kept = joined.filter(pl.col("reason").is_null())
    if params.redact:
        kept = kept.with_columns(
            redact_references(kept["references"], redacted).alias("references")
        )
    return kept.select("id", "turns", "references"), fingerprints(kept["turns"]), reasons, redacted


def fingerprints(turns: pl.Series) -> pl.Series:
    """64 bits of what each conversation says, whatever its case, spacing or punctuation.

    The same on every machine and in every version, for `assign` rests on it.
    """
    texts = turns.list.eval(pl.element().struct.field("text")).list.join("")
    # ASCII's share of it, nearly all, goes faster from bytes.
    plain = texts.str.to_lowercase().str.replace_all(r"[\W&&[^\x00-\x7F]]", "")
    said = (text.encode().translate(None, PUNCTUATION) for text in plain)
    digests = (hashlib.blake2b(text, digest_size=8).digest() for text in said)
    return pl.Series([int.from_bytes(digest, "big") for digest in digests], dtype=pl.UInt64)


def assign(keys: pl.Series, split: str, lacking: list[str], holdout: float) -> pl.Series:
    """The split each dialogue goes to: its own, or from train to one that the source lacks."""
    if split != "train" or not lacking:
        return pl.Series([split] * len(keys), dtype=pl.String)
    slots = (keys % 10_000 / (10_000 * holdout)).floor().cast(pl.Int64)
    return pl.Series([lacking[s] if s < len(lacking) else "train" for s in slots], dtype=pl.String)


if __name__ == "__main__":
    run(main)
