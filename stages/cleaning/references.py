"""References of each row: one text, a list of texts, lists of sentences, or objects with a text."""

from unicodedata import category

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.cleaning.instructions import ASKING
from stages.cleaning.layouts import paths_of
from stages.cleaning.paths import decode, field, outline, split_path, walk
from stages.cleaning.rules import clean_reference
from stages.params import Columns

# Fields that hold the words of a reference, the likeliest first.
TEXT_FIELDS = (
    "text",
    "summary",
    "abstractive",
    "content",
    "reference",
    "value",
    "body",
    "highlights",
)
# How programs and people write that there is none, besides signs alone.
MISSING = ("nan", "none", "null", "<na>", "na", "n/a", "n.a", "#n/a", "tbd", "todo")


def read_references(table: pl.DataFrame, columns: Columns) -> pl.Series:
    """References of each row of a raw table, a list of texts; null where there are none that can
    be understood."""
    found: list[list[str] | None] = [None] * len(table)
    for path in paths_of(columns):
        name, steps = split_path(path, table.columns)
        values = table[name].to_list()
        if -1 in steps:
            values = [None if asked(value, steps, columns) else value for value in values]
        here = [texts_at(value, steps) for value in values]
        found = [join(*pair) for pair in zip(found, here, strict=True)] if any(found) else here
    return as_lists(found)


def join(these: list[str] | None, others: list[str] | None) -> list[str] | None:
    return list(dict.fromkeys([*(these or ()), *(others or ())])) or None


def asked(value: object, steps: list[str | int], columns: Columns) -> bool:
    """Whether a path leads to the last message, and that is the user's and so no summary."""
    if not columns.speaker:
        return False
    message = walk(value, steps[: steps.index(-1) + 1])
    return str(field(message, columns.speaker)).lower() in ASKING


def as_lists(found: list[list[str] | None]) -> pl.Series:
    """By way of Arrow, for polars builds nested columns out of Python lists slowly; in parts, for
    pyarrow, given Python lists, imports pandas, a third of what this stage's start would cost."""
    flat, starts = [], []
    for texts in found:
        starts.append(None if texts is None else len(flat))
        flat += texts or ()
    starts.append(len(flat))
    offsets = pl.Series(starts, dtype=pl.Int64).to_arrow()
    lists = pa.LargeListArray.from_arrays(offsets, pl.Series(flat, dtype=pl.String).to_arrow())
    return pl.Series(lists)


def texts_at(value: object, steps: list[str | int]) -> list[str] | None:
    """The references in one value, in order, each once."""
    value = decode(walk(value, steps))
    values = value if isinstance(value, list | tuple) else [value]
    texts = [text_of(item) for item in values if not is_missing(item)]
    if None in texts:
        return None  # a number, or an object whose keys would pass for references
    cleaned = [text for text in map(clean_reference, texts) if not is_missing(text)]
    return list(dict.fromkeys(cleaned)) or None


def is_missing(value: object) -> bool:
    """Whether a value is empty, or a text that says so: "N/A", "-", "TBD.". An emoji is a text."""
    if not isinstance(value, str):
        return not value
    signs = all(category(sign)[0] in "PZCM" for sign in value)
    return signs or value.strip(" .").lower() in MISSING


def text_of(item: object) -> str | None:
    """A reference: a text, a list of its sentences, or an object that holds either."""
    if not isinstance(item, list):
        item = decode(item)
    if isinstance(item, str):
        return item
    if isinstance(item, list | tuple):
        try:
            return " ".join(item)
        except TypeError:  # its sentences are objects
            parts = [text_of(part) for part in item if part]
            return None if None in parts or not parts else " ".join(parts)
    if isinstance(item, dict):
        named = [item[name] for name in TEXT_FIELDS if item.get(name)]
        texts = [text for text in item.values() if isinstance(text, str | list) and text]
        # The one text beside numbers is it, whatever its name.
        held = named[0] if named else texts[0] if len(texts) == 1 else None
        return None if isinstance(held, dict) else text_of(held)
    return None


def unread_reference(source: pq.ParquetFile, columns: Columns) -> str:
    """A sentence that shows the first reference of a raw file that cannot be read; may be empty."""
    names = [split_path(path, source.schema_arrow.names)[0] for path in paths_of(columns)]
    for batch in source.iter_batches(batch_size=100, columns=names):
        table = pl.from_arrow(batch)
        for path in paths_of(columns):
            name, steps = split_path(path, table.columns)
            for value in table[name].drop_nulls().to_list():
                if not texts_at(value, steps):
                    shown = outline(decode(value))
                    return f" clean.columns.references {path!r} leads to no text in {shown}"
        return ""
    return ""
