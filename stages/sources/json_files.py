"""JSON files as programs write them: a row a line, a list or a dict of rows, pandas' layouts."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from stages.common.cli import UserError
from stages.sources.bad_rows import BadRows
from stages.sources.json_columns import concatenated, to_table
from stages.sources.json_layouts import rows_of
from stages.sources.text import Encoding, encoding_of, open_text

BATCH = 10_000  # rows
BLANK = re.compile(r"\s*")
MARK = b"\xef\xbb\xbf"  # of byte order, at the start of each file that was joined to another


def read_json_table(path: Path, encoding: Encoding, lines: bool) -> pa.Table:
    """The rows of a file whose name says that it is of `lines`, or not; the content decides.

    Lines that hold no row come last, as nulls. Raises `UserError` where there are no rows.
    """
    if not holds_lines(path, encoding, lines):
        try:
            return to_table(rows_of(read_json(path, encoding), path), path)
        except UserError:
            if not lines:
                raise
    bad = BadRows(path)
    rows = parsed_lines(path, encoding, bad)
    batches = iter(lambda: list(islice(rows, BATCH)), [])
    tables = [to_table(batch, path) for batch in batches]
    good = sum(table.num_rows for table in tables)
    bad.report(good)
    if not good:
        raise UserError(f"{path} holds no rows")
    table = concatenated(tables)
    return pa.concat_tables([table, bad.nulls(table.schema)])


def holds_lines(path: Path, encoding: Encoding, called_so: bool) -> bool:
    with open_text(path, encoding) as file:
        first = list(islice((line for line in file if not line.isspace()), 3))
    found = sum(isinstance(parse(line)[0], dict) for line in first)
    return found >= (1 if called_so else 2)


def read_json(path: Path, encoding: Encoding | None = None) -> object:
    """The file's JSON value, or a list of them where it holds several."""
    with open_text(path, encoding or encoding_of(path)) as file:
        text = file.read().decode().removeprefix("\ufeff")
    values, at, decoder = [], BLANK.match(text).end(), json.JSONDecoder()
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at = BLANK.match(text, at).end()
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {why(error)}") from None
    if not values:
        raise UserError(f"{path} is not valid JSON: it is empty")
    return values[0] if len(values) == 1 else values


def read_lines(path: Path) -> list[dict]:
    """The rows of a file of JSON lines. Raises `UserError` at the first line that holds none."""
    bad = BadRows(path)
    rows = list(parsed_lines(path, encoding_of(path), bad))
    if bad:
        raise UserError(bad.first())
    return rows


def parsed_lines(path: Path, encoding: Encoding, bad: BadRows) -> Iterator[dict]:
    with open_text(path, encoding) as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            row, fault = parse(line)
            if fault or not isinstance(row, dict):
                bad.append((number, fault or "it is not a JSON object"))
            else:
                yield row


def parse(line: bytes) -> tuple[object, str]:
    """The line's JSON value, or why there is none."""
    try:
        return json.loads(line.removeprefix(MARK)), ""
    except json.JSONDecodeError as error:
        return None, f"{error.msg} (column {error.colno})"
    except (ValueError, RecursionError) as error:
        return None, why(error)


def why(error: Exception) -> str:
    """What is wrong and where, without the text: errors of JSON name what was expected."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno} column {error.colno})"
    return "it nests too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]
