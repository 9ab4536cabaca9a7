"""JSON files as programs write them: a row a line, a list or a dict of rows, pandas' layouts."""

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from stages.common.cli import UserError
from stages.sources.bad_rows import BadRows
from stages.sources.json_columns import concatenated, to_table
from stages.sources.json_layouts import rows_of
from stages.sources.text import Encoding, encoding_of, open_text

BATCH = 10_000  # rows
BATCH_BYTES = 2**23  # of lines; as objects of Python they take several times as much
BLANK = re.compile(r"\s*")
LAST_COMMA = re.compile(r",(\s*\][\s}]*)\Z")  # behind the last row, as people write lists
MARK = b"\xef\xbb\xbf"  # of byte order, at the start of each file that was joined to another


def read_json_table(path: Path, encoding: Encoding, lines: bool) -> pa.RecordBatchReader:
    """The rows of a file whose name says that it is of `lines`, or not; the content decides.

    Lines that hold no row come last, as nulls. Lines are read twice, a batch at a time: first for
    the types of all columns. Where batches disagree on one, all rows are held in memory. Raises
    `UserError` where there are no rows.
    """
    if not holds_lines(path, encoding, lines):
        try:
            return to_table(rows_of(read_json(path, encoding), path), path).to_reader()
        except UserError:
            if not lines:
                raise
    bad, good, schemas = BadRows(path), 0, []
    for table in tables_of_lines(path, encoding, bad):
        good += table.num_rows
        if not schemas or table.schema != schemas[-1]:
            schemas.append(table.schema)
    bad.report(good)
    if not good:
        raise UserError(f"{path} holds no rows")
    tables = tables_of_lines(path, encoding, BadRows(path))
    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        table = concatenated(list(tables))
        return pa.concat_tables([table, bad.nulls(table.schema)]).to_reader()
    cast = partial(pa.concat_tables, promote_options="permissive")
    whole = (cast([schema.empty_table(), table]) for table in chain(tables, [bad.nulls(schema)]))
    batches = chain.from_iterable(table.to_batches() for table in whole)
    return pa.RecordBatchReader.from_batches(schema, batches)


def tables_of_lines(path: Path, encoding: Encoding, bad: BadRows) -> Iterator[pa.Table]:
    """Tables of at most `BATCH` rows and not much more than `BATCH_BYTES`."""
    batch, size = [], 0
    for row, length in parsed_lines(path, encoding, bad):
        batch.append(row)
        size += length
        if len(batch) == BATCH or size > BATCH_BYTES:
            yield to_table(batch, path)
            batch, size = [], 0
    if batch:
        yield to_table(batch, path)


def holds_lines(path: Path, encoding: Encoding, called_so: bool) -> bool:
    with open_text(path, encoding) as file:
        first = list(islice((line for line in file if not line.isspace()), 3))
    # A list, or rows below an object's key, have a comma after each row, too, but for the first line.
    read = parse_row if first and isinstance(parse_row(first[0])[0], dict) else parse
    found = sum(isinstance(read(line)[0], dict) for line in first)
    return found >= (1 if called_so else 2)


def read_json(path: Path, encoding: Encoding | None = None) -> object:
    """The file's JSON value, or a list of them where it holds several."""
    with open_text(path, encoding or encoding_of(path)) as file:
        text = file.read().decode().removeprefix("\ufeff")
    if comma := LAST_COMMA.search(text, max(0, len(text) - 100)):
        text = text[: comma.start()] + comma[1]
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
    rows = [row for row, _ in parsed_lines(path, encoding_of(path), bad)]
    if bad:
        raise UserError(bad.first())
    return rows


def parsed_lines(path: Path, encoding: Encoding, bad: BadRows) -> Iterator[tuple[dict, int]]:
    """Each row, and the bytes of its line."""
    with open_text(path, encoding) as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            row, fault = parse_row(line)
            if fault or not isinstance(row, dict):
                bad.append((number, fault or "it is not a JSON object"))
            else:
                yield row, len(line)


def parse_row(line: bytes) -> tuple[object, str]:
    """As `parse`, also of a line that is a row of a list without its brackets: a comma ends it."""
    value, fault = parse(line)
    if fault and line.rstrip().endswith(b"},"):
        return parse(line.rstrip()[:-1])
    return value, fault


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
