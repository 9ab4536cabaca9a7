"""Turns that are not in the order of their times or numbers: many services list the newest first."""

import re

import polars as pl

from stages.cleaning.paths import decode, split_path, walk
from stages.params import Columns

ORDER = re.compile(
    r"time|date|created|sent|index|idx|^order$|seq|(?:^|_)ts$|^turn(?:_?(?:id|no|number))?$",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\d.*")
ROWS = 200  # that are looked at
FEW = 0.05  # share of conversations that may be in another order


def order_note(table: pl.DataFrame, columns: Columns) -> str | None:
    """A sentence where more than a few conversations are in another order than a field of their
    turns says."""
    name, steps = split_path(columns.conversation or "", table.columns)
    if not name or not columns.text:
        return None
    talks = {}
    for row, value in enumerate(table[name].head(ROWS).to_list(), 1):
        found = decode(walk(value, steps) if steps else value)
        turns = [decode(turn) for turn in found] if isinstance(found, list) else []
        if len(turns) > 1 and all(isinstance(turn, dict) for turn in turns):
            talks[row] = turns
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


def sortable(values: list) -> list[float] | list[str] | None:
    """Numbers, or times as ISO 8601 writes them, all of one form; None if they are anything else."""
    texts = [str(value) for value in values]
    if all(NUMBER.fullmatch(text) for text in texts):
        return list(map(float, texts))
    alike = len({len(text) for text in texts}) == 1
    return texts if alike and all(map(TIME.fullmatch, texts)) else None
