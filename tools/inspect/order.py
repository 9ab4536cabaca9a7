"""Turns that are not in the order of their times or numbers: many services list the newest first."""

import re
from datetime import UTC, datetime

import polars as pl
from dateutil.parser import parse

from stages.cleaning.paths import decode, split_path, walk
from stages.params import Columns

ORDER = re.compile(
    r"time|date|created|sent|index|idx|^order$|seq|(?:^|_)ts$|^turn(?:_?(?:id|no|number))?$",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)  # of times without a date or a zone
ROWS = 200  # that are looked at
FEW = 0.05  # share of conversations that may be in another order


def order_note(table: pl.DataFrame, columns: Columns) -> str | None:
    """A sentence where more than a few conversations are in another order than a field of their
    turns says."""
    talks = {row: turns for row, turns in objects(table, columns).items() if len(turns) > 1}
    names = dict.fromkeys(key for turns in talks.values() for turn in turns for key in turn)
    for key in filter(ORDER.search, names):
        keys = {row: sortable([turn.get(key) for turn in turns]) for row, turns in talks.items()}
        keys = {row: values for row, values in keys.items() if values}
        wrong = [row for row, values in keys.items() if values != sorted(values)]
        if len(wrong) > FEW * len(talks):
            return (
                f"in {len(wrong)} of {len(talks)} conversations the turns are not in the order of"
                f" {key!r}, such as row {wrong[0]}: they are read as they stand, so sort them first"
            )
    return None


def objects(table: pl.DataFrame, columns: Columns) -> dict[int, list[dict]]:
    """The turns of the first rows, from 1, whose conversations are lists of objects."""
    name, steps = split_path(columns.conversation or "", table.columns)
    if not name or not columns.text:
        return {}
    talks = {}
    for row, value in enumerate(table[name].head(ROWS).to_list(), 1):
        found = decode(walk(value, steps) if steps else value)
        turns = [decode(turn) for turn in found] if isinstance(found, list) else []
        if all(isinstance(turn, dict) for turn in turns):
            talks[row] = turns
    return talks


def zone(_: str, offset: int | None) -> int:
    """Seconds of a time zone; a name without them, such as PST, is the same all over a conversation."""
    return offset or 0


def sortable(values: list) -> list[float] | None:
    """Numbers, or times as people write them, in seconds; None if they are anything else."""
    values = [v.get("$date") if isinstance(v, dict) else v for v in map(decode, values)]
    texts = [str(value) for value in values]
    if all(NUMBER.fullmatch(text) for text in texts):
        return list(map(float, texts))
    try:
        return [parse(text, default=MIDNIGHT, tzinfos=zone).timestamp() for text in texts]
    except (ValueError, OverflowError):
        return None
