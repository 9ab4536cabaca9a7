"""Rows of a file of conversations, some at a time, each with its id and where it stands.

Files are opened as fetch opens them: any encoding, separator and compression, JSON as programs
write it. JSON lines, CSV and Parquet stream.
"""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import islice
from pathlib import Path

import polars as pl

from stages.cleaning.guessing import layout_of
from stages.common.cli import UserError
from stages.params import Columns
from stages.sources.bad_rows import BadRows
from stages.sources.csv_files import SAMPLE, read_csv
from stages.sources.json_columns import to_table
from stages.sources.json_files import holds_lines, parse_row, read_json
from stages.sources.json_layouts import rows_of
from stages.sources.tables import FORMATS, read_file
from stages.sources.text import encoding_of, open_text
from stages.sources.unpacking import blocks, format_of
from tools.conversations import OWN, Rows, is_text, reaches
from tools.csv_rows import Numbered, csv_frames, texts_of

JSON = ("json", "jsonl", "ndjson")
CSV = ("csv", "tsv")
JSON_START = re.compile(rb'\s*(\[\s*[{"\]]|\{\s*["}])')
Reject = Callable[[str, str, str], None]  # takes the place, what is wrong, what stood there


def kind_of(path: Path) -> str:
    """A format of tables, by the file's name or because its first line is a JSON object; or text."""
    if format_of(path) in FORMATS:
        return format_of(path)
    if next(blocks(path), b"").startswith(b"%PDF-"):  # parts of it may look like text
        raise UserError(f"{path} is not a text file")
    return "jsonl" if holds_lines(path, encoding_of(path), True) else "text"


def kind_of_piped(path: Path, columns: Columns) -> str:
    """As `kind_of`, of a file without a name: its content alone tells JSON and CSV from a text."""
    if (kind := kind_of(path)) != "text":
        return kind
    with open_text(path, encoding_of(path)) as file:
        if JSON_START.match(file.read(SAMPLE)):
            return "json"
    return "csv" if names_columns(path, columns) else "text"


def names_columns(path: Path, columns: Columns) -> bool:
    """Whether the first line is the header of a table, which a conversation's is hardly."""
    try:
        names = read_csv(path, encoding_of(path)).schema.names
    except (UserError, StopIteration, csv.Error):
        return False
    named = {*OWN, "id", columns.id}
    return len(names) > 1 and (bool(named & {*names}) or reaches(columns, tuple(names)))


def read_rows(path: Path, kind: str, columns: Columns, size: int, reject: Reject) -> Iterator[Rows]:
    """Up to `size` rows at a time; what is no row goes to `reject`."""
    if kind not in JSON:
        yield from table_rows(path, kind, columns, size, reject)
        return
    encoding = encoding_of(path)
    if holds_lines(path, encoding, kind != "json"):
        with open_text(path, encoding) as file:
            lines = parsed_lines(file, reject)
            while some := list(islice(lines, size)):
                yield json_rows(some, columns)
        return
    values = one_or_many(read_json(path, encoding), columns, path)
    numbered = [(f"row {n}", n, value) for n, value in enumerate(values, 1)]
    for start in range(0, len(numbered), size):
        yield json_rows(numbered[start : start + size], columns)


def parsed_lines(file, reject: Reject) -> Iterator[tuple[str, int, dict]]:
    for number, line in enumerate(file, 1):
        if line.isspace():
            continue
        value, fault = parse_row(line)
        if fault or not isinstance(value, dict):
            text = line.decode().rstrip("\r\n")
            reject(f"line {number}", fault or "it is not a JSON object", text)
        else:
            yield f"line {number}", number, value


def one_or_many(value: object, columns: Columns, path: Path) -> list[dict]:
    """Rows of a JSON value, which may also be one conversation: an object, or a list of turns."""
    if isinstance(value, dict):
        held = next((value[n] for n in (columns.conversation, *OWN) if n in value), None)
        if is_text(held) or (isinstance(held, list) and any(isinstance(t, dict) for t in held)):
            return [value]
    rows = rows_of(value, path)
    if not any(set(OWN) & set(row) or reaches(columns, tuple(row)) for row in rows):
        _, layout = layout_of([rows]) or (0, {})
        if layout.get("text") and layout.get("speaker"):
            return [{"turns": rows}]
    return rows


def json_rows(some: list[tuple[str, int, dict]], columns: Columns) -> Rows:
    values = [value or {OWN[0]: None} for _, _, value in some]  # a table needs a column
    return Rows(
        ids=[row_id(value, columns, number) for _, number, value in some],
        places=[place for place, _, _ in some],
        names=[tuple(value) for value in values],
        raw=lambda i: json.dumps(values[i], ensure_ascii=False),
        table=lambda numbers: pl.from_arrow(to_table([values[i] for i in numbers], "the file")),
    )


def table_rows(
    path: Path, kind: str, columns: Columns, size: int, reject: Reject
) -> Iterator[Rows]:
    found, bad = 0, BadRows(path)
    for frame, numbers in csv_frames(path, bad) if kind in CSV else counted(frames(path)):
        empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
        for number in numbers.filter(empty):
            nothing = json.dumps(dict.fromkeys(frame.columns), ensure_ascii=False)
            reject(f"row {number}", "all its cells are empty", nothing)
        filled, left = frame.filter(~empty), numbers.filter(~empty)
        for start in range(0, len(filled), size):
            some = slice(start, start + size)
            yield frame_rows(filled[some], columns, left[some].to_list())
        found += len(filled)
    if not found:
        bad.report(found)
        raise UserError(f"{path} holds no rows")
    for fault in texts_of(bad):
        reject(*fault)


def counted(frames: Iterator[pl.DataFrame]) -> Iterator[Numbered]:
    """Frames with the numbers of their rows, from 1 on."""
    number = 0
    for frame in frames:
        yield frame, pl.Series(range(number + 1, number + len(frame) + 1), dtype=pl.Int64)
        number += len(frame)


def frame_rows(part: pl.DataFrame, columns: Columns, numbers: list[int]) -> Rows:
    name = next((n for n in (columns.id, "id") if n in part.columns), None)
    given = part[name].to_list() if name else [None] * len(part)
    return Rows(
        ids=[n if id_ is None else id_ for n, id_ in zip(numbers, given, strict=True)],
        places=[f"row {n}" for n in numbers],
        names=[tuple(part.columns)] * len(part),
        raw=lambda i: json.dumps(part.row(i, named=True), ensure_ascii=False, default=str),
        table=lambda numbers: part[numbers],
    )


def frames(path: Path) -> Iterator[pl.DataFrame]:
    """Batches of a table. What its reader prints is no summary, and goes to stderr."""
    with notes():
        reader = read_file(path)
    while True:
        with notes():
            batch = next(reader, None)
        if batch is None:
            return
        yield pl.from_arrow(batch)


@contextmanager
def notes() -> Iterator[None]:
    """Notes of a reader on stderr."""
    with redirect_stdout(StringIO()) as printed:
        yield
    for line in printed.getvalue().splitlines():
        print(line.removeprefix("fetch: "), file=sys.stderr)


def row_id(value: dict, columns: Columns, number: int) -> object:
    name = next((n for n in (columns.id, "id") if n in value), None)
    return number if name is None or value[name] is None else value[name]
