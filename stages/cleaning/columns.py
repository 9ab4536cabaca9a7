"""From a source's columns to turns and references, whatever layout `clean.columns` describes."""

import json

import polars as pl
import pyarrow as pa

from stages.cleaning.rules import clean_reference
from stages.common.cli import UserError
from stages.params import Columns


def split_turns(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """One turn a row: `row`, `speaker`, `text`, from any layout that `Columns` describes."""
    column, dtype = pl.col("conversation"), frame["conversation"].dtype
    if dtype == pl.Null:  # nulls alone are of no type, and so of any
        column, dtype = column.cast(pl.String), pl.String()
    said = frame.select("row", column)
    if dtype == pl.String and columns.speaker_separator:
        parts = pl.col("conversation").str.splitn(columns.speaker_separator, 2)
        lines = said.with_columns(column.str.split("\n")).explode("conversation")
        lines = lines.with_columns(parts.struct.rename_fields(["speaker", "text"])).unnest(
            "conversation"
        )
        bare = pl.col("text").is_null()  # a line without a separator is all text
        return lines.with_columns(
            speaker=pl.when(bare).then(None).otherwise(pl.col("speaker").str.strip_chars(" #")),
            text=pl.when(bare).then(pl.col("speaker")).otherwise(pl.col("text")),
        )
    if dtype == pl.String:
        return said.select("row", speaker=pl.lit(None, dtype=pl.String), text=column)
    if not isinstance(dtype, pl.List):
        raise UserError(f"clean.columns.conversation {columns.conversation!r} is {dtype}: no text")
    flat = said.explode("conversation").drop_nulls("conversation")
    if dtype.inner == pl.String:
        return flat.select("row", speaker=pl.lit(None, dtype=pl.String), text=column)
    if not isinstance(dtype.inner, pl.Struct):
        raise UserError(f"the turns of {columns.conversation!r} are neither texts nor objects")
    fields, field = [field.name for field in dtype.inner.fields], column.struct.field
    for key in ("customer", "agent", "speaker", "text"):
        name = getattr(columns, key)
        if name is not None and name not in fields:
            raise UserError(f"a turn has no field {name!r}: see clean.columns.{key}")
    if columns.customer:
        # A customer's and an agent's turn of each pair, one after the other.
        sides = [
            flat.select(field(name).cast(pl.String)) for name in (columns.customer, columns.agent)
        ]
        texts = [side.to_series().alias("text") for side in sides]
        turn = pl.int_range(2 * len(flat), eager=True)
        order = turn // 2 + turn % 2 * len(flat)
        speakers = pl.Series(["customer", "agent"], dtype=pl.String)
        return pl.DataFrame(
            [
                flat["row"].gather(turn // 2),
                speakers.gather(turn % 2).alias("speaker"),
                pl.concat(texts).gather(order),
            ]
        )
    if not columns.text:
        raise UserError("turns are objects: set clean.columns.text, or customer and agent")
    speaker = field(columns.speaker).cast(pl.String) if columns.speaker else pl.lit(None)
    return flat.select("row", speaker=speaker, text=field(columns.text).cast(pl.String))


def read_references(values: pl.Series, path: str) -> pl.Series:
    """References of each row, a list of texts; null where there are none that can be understood."""
    steps = [] if path == values.name else path.split(".")[1:]
    found = [_references(value, steps) for value in values.to_list()]
    flat, starts = [], []
    for texts in found:
        starts.append(None if texts is None else len(flat))
        flat += texts or ()
    starts.append(len(flat))
    # By way of Arrow, for polars builds nested columns out of Python lists slowly; in parts, for
    # pyarrow, given Python lists, imports pandas, a third of what this stage's start would cost.
    offsets = pl.Series(starts, dtype=pl.Int64).to_arrow()
    lists = pa.LargeListArray.from_arrays(offsets, pl.Series(flat, dtype=pl.String).to_arrow())
    return pl.Series(lists)


def _references(value: object, steps: list[str]) -> list[str] | None:
    try:
        for step in steps:
            value = json.loads(value) if isinstance(value, str) else value
            value = value[step]
        values = [value] if isinstance(value, str) else value
        if isinstance(values, dict) or any(isinstance(item, dict) for item in values):
            return None  # its keys would pass for references
        texts = [item if isinstance(item, str) else " ".join(item) for item in values if item]
        cleaned = [text for text in map(clean_reference, texts) if text]
    except (ValueError, TypeError, KeyError):
        return None
    return list(dict.fromkeys(cleaned)) or None
