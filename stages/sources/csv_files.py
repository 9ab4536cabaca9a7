"""Read CSV files with any separator, and with quotes that are doubled or escaped by a backslash.

Every cell stays the text that is in the file: nothing is converted to a number or a date. An empty
cell is null, and empty quotes are an empty text.
"""

import csv
import io
import re
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from stages.common.cli import UserError
from stages.sources.bad_rows import BadRows
from stages.sources.csv_dialect import Dialect, dialect_of
from stages.sources.csv_quotes import quotes_match, readable_rows
from stages.sources.text import Encoding, Stream, open_text

SAMPLE = 1 << 17  # bytes from which the dialect is detected
BLOCK = 1 << 23  # bytes, the longest row that can be read
# pyarrow generates these names, so that the types can be set before the header is read.
COLUMN_TYPES = {f"f{n}": pa.string() for n in range(4096)}


def read_csv(path: Path, encoding: Encoding) -> pa.RecordBatchReader:
    """Read the file as a stream. Rows that are empty, or the header again, as in files that were
    joined, are skipped. Bad rows, such as those with a different number of cells from the header,
    come last, as nulls. Raises `UserError` if no row can be read."""
    with open_text(path, encoding) as file:
        sample = file.read(SAMPLE).decode(errors="ignore")
    if not sample.strip():
        raise UserError(f"{path} holds no rows")
    dialect = dialect_of(sample, path.name.lower())
    rows = csv_rows(io.StringIO(sample, newline=""), dialect)
    header = next(row for row in islice(rows, dialect.skip, None) if row)
    schema = pa.schema([(name, pa.string()) for name in unique_names(header)])
    return pa.RecordBatchReader.from_batches(schema, batches(path, encoding, dialect, schema))


def batches(path: Path, encoding: Encoding, dialect: Dialect, schema: pa.Schema) -> Iterator:
    good, bad = 0, BadRows(path)
    for batch in readable_batches(path, encoding, dialect, schema, bad):
        not_empty = reduce(pc.or_, [pc.is_valid(column) for column in batch.columns])
        rows = batch.filter(not_empty)
        if rows.num_columns > 1:
            named = zip(rows.columns, schema.names, strict=True)
            same = (pc.fill_null(pc.equal(column, name), False) for column, name in named)
            rows = rows.filter(pc.invert(reduce(pc.and_, same)))
        good += rows.num_rows
        yield rows
    bad.report(good)
    yield from bad.nulls(schema).to_batches()


def readable_batches(
    path: Path, encoding: Encoding, dialect: Dialect, schema: pa.Schema, bad: BadRows
) -> Iterator[pa.RecordBatch]:
    """Batches of the rows that can be read. The others are added to `bad`."""
    if not quotes_are_sound(path, encoding, dialect):
        with open_text(path, encoding) as file:
            text = file.read().decode()
        yield from readable_rows(text, dialect.separator, dialect.skip, schema, bad)
        return
    skipped = []

    def skip(row: pa.csv.InvalidRow) -> str:
        if row.text.strip():
            skipped.append(row.number)
        return "skip"

    for number, block in enumerate(raw_batches(path, encoding, dialect, skip)):
        header = number == 0
        yield block.slice(int(header)).rename_columns(schema.names)
    if skipped:
        bad.extend(bad_rows(path, encoding, dialect, len(schema)))


def quotes_are_sound(path: Path, encoding: Encoding, dialect: Dialect) -> bool:
    if dialect.quoting != "doubled":
        return True
    with open_text(path, encoding) as file:
        return quotes_match(file, dialect.separator)


def raw_batches(
    path: Path, encoding: Encoding, dialect: Dialect, on_invalid: Callable
) -> Iterator[pa.RecordBatch]:
    """Batches of text as pyarrow reads them. The first row of the first batch is the header."""
    file = open_text(path, encoding)
    if dialect.quoting == "backslash":
        file = io.BufferedReader(Stream(double_lone_backslashes(file, dialect.escapes)))
    try:
        yield from pa.csv.open_csv(
            pa.PythonFile(file, mode="r"),
            pa.csv.ReadOptions(
                block_size=BLOCK,
                skip_rows=dialect.skip,
                autogenerate_column_names=True,
                use_threads=False,  # with threads, rows would lose their numbers
            ),
            pa.csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char=False if dialect.quoting == "none" else '"',
                escape_char="\\" if dialect.quoting == "backslash" else False,
                newlines_in_values=dialect.quoting != "none" or len(dialect.escapes) > 2,
                invalid_row_handler=on_invalid,
            ),
            pa.csv.ConvertOptions(
                column_types=COLUMN_TYPES,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:  # its message may quote the file, so it is not shown
        if "Empty CSV" not in str(error):  # the file has only a header
            why = f"is a row longer than {BLOCK >> 20} MB, or is a quote not closed?"
            raise UserError(f"{path} cannot be read as csv: {why}") from None


def double_lone_backslashes(file: BinaryIO, escapes: bytes) -> Iterator[bytes]:
    """The text, with the backslashes that escape nothing doubled, as in `C:\\temp`."""
    lone = re.compile(rb"\\([%s])|\\" % re.escape(escapes))
    rest = b""
    while block := file.read(1 << 20):
        text = rest + block
        ends = len(text) - len(text.rstrip(b"\\"))  # the next block starts with what they escape
        text, rest = text[: len(text) - ends], text[len(text) - ends :]
        yield lone.sub(lambda m: m[0] if m[1] else b"\\\\", text)
    yield lone.sub(lambda m: m[0] if m[1] else b"\\\\", rest)


def bad_rows(path: Path, encoding: Encoding, dialect: Dialect, width: int) -> Iterator:
    """Line number and fault of each row that cannot be read."""
    if not quotes_are_sound(path, encoding, dialect):
        schema = pa.schema([(str(number), pa.string()) for number in range(width)])
        bad = BadRows(path)
        for _ in readable_batches(path, encoding, dialect, schema, bad):
            pass
        yield from bad
        return
    end = 0
    with io.TextIOWrapper(open_text(path, encoding), "utf-8", newline="") as text:
        rows = csv_rows(text, dialect)
        for row in rows:
            if len(row) != width and any(map(str.strip, row)) and end >= dialect.skip:
                yield end + 1, f"{len(row)} cells where the header has {width}"
            end = rows.line_num


def csv_rows(text: io.TextIOBase, dialect: Dialect) -> "csv._reader":
    """Python's reader, which counts lines: for the header and for rows that pyarrow refused."""
    csv.field_size_limit(sys.maxsize)
    return csv.reader(
        text,
        delimiter=dialect.separator,
        quoting=csv.QUOTE_NONE if dialect.quoting == "none" else csv.QUOTE_MINIMAL,
        escapechar="\\" if dialect.quoting == "backslash" else None,
    )


def unique_names(names: list[str]) -> Iterator[str]:
    """Make column names unique: a repeated name gets a number, as in `summary_2`."""
    seen: set[str] = set()
    for name in names:
        number = 2
        new = name
        while new in seen:
            new, number = f"{name}_{number}", number + 1
        seen.add(new)
        yield new
