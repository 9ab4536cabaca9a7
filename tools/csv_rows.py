"""Rows of a CSV file, each with its number there, which rows that cannot be read do not shift."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl
import pyarrow as pa

from stages.sources.bad_rows import BadRows
from stages.sources.csv_dialect import Dialect, dialect_of
from stages.sources.csv_files import (
    SAMPLE,
    bad_rows,
    quotes_are_sound,
    raw_batches,
    read_csv,
)
from stages.sources.csv_quotes import BATCH, records
from stages.sources.text import Encoding, encoding_of, open_text

Numbered = tuple[pl.DataFrame, pl.Series]  # rows, and the number of each


def csv_frames(path: Path, bad: BadRows) -> Iterator[Numbered]:
    """Batches of rows, numbered from 1 after the header; blank lines are no rows.

    At the end `bad` gains the rows that cannot be read.
    """
    encoding = encoding_of(path)
    if encoding.note:
        print(f"{path}: {encoding.note}", file=sys.stderr)
    names = read_csv(path, encoding).schema.names
    with open_text(path, encoding) as file:
        dialect = dialect_of(file.read(SAMPLE).decode(errors="ignore"), path.name.lower())
    skipped: dict[int, bool] = {}
    if sound := quotes_are_sound(path, encoding, dialect):
        yield from parsed(path, encoding, dialect, names, skipped)
    else:
        yield from repaired(path, encoding, dialect, names)
    if not sound or any(skipped.values()):
        bad.extend(bad_rows(path, encoding, dialect, len(names)))


def parsed(
    path: Path, encoding: Encoding, dialect: Dialect, names: list[str], skipped: dict[int, bool]
) -> Iterator[Numbered]:
    """Rows as pyarrow reads them. `skipped` gains the others by place: whether each is a row."""

    def skip(row: pa.csv.InvalidRow) -> str:
        # It counts what it skips, the header and the line before it.
        skipped[row.number - dialect.skip - 1] = bool(row.text.strip())
        return "skip"

    place = number = 0
    for index, block in enumerate(raw_batches(path, encoding, dialect, skip)):
        rows, numbers = block.slice(int(index == 0)).rename_columns(names), []
        while len(numbers) < rows.num_rows:
            place += 1
            number += skipped.get(place, True)
            if place not in skipped:
                numbers.append(number)
        yield pl.from_arrow(rows), pl.Series(numbers, dtype=pl.Int64)


def repaired(
    path: Path, encoding: Encoding, dialect: Dialect, names: list[str]
) -> Iterator[Numbered]:
    """Rows of a file in which a quote is missing or extra."""
    with open_text(path, encoding) as file:
        text = file.read().decode()
    after = (
        cells
        for place, (line, cells) in enumerate(records(text, dialect.separator))
        if line > dialect.skip and place > dialect.skip
    )
    numbered = enumerate(after, 1)
    while some := list(islice(numbered, BATCH)):
        good = [(n, cells) for n, cells in some if cells and len(cells) == len(names)]
        schema = dict.fromkeys(names, pl.String)
        rows = pl.DataFrame([cells for _, cells in good], schema, orient="row")
        yield rows, pl.Series([n for n, _ in good], dtype=pl.Int64)


def texts_of(bad: BadRows) -> Iterator[tuple[str, str, str]]:
    """Place, fault and first line of each bad row."""
    if not bad:
        return
    found = dict(bad)
    with open_text(bad.path, encoding_of(bad.path)) as file:
        for number, line in enumerate(file, 1):
            if number in found:
                yield f"line {number}", found[number], line.decode().rstrip("\r\n")
