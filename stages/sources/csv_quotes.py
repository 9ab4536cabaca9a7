"""CSV files in which a quote is missing or too many: the rows around it are read all the same.

A parser takes all up to the next quote for one cell and joins rows without a word. Here a row that
breaks the rules is bad, and reading starts again at the line after its first.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import pyarrow as pa

from stages.sources.bad_rows import BadRows
from stages.sources.csv_dialect import END

BATCH = 10_000  # rows
CLOSED, SPANS, OTHER = "closes what is not open", "closes on a later line", "other"
Record = tuple[int, list[str | None] | None]


def quotes_match(file: BinaryIO, separator: str) -> bool:
    """Whether each quote opens or closes a cell, or is doubled inside of one."""
    edges = {separator.encode(), b"\r", b"\n", b""}
    rest, inside = separator.encode(), False  # as if a cell stood before the first
    while block := file.read(1 << 20):
        *parts, rest = (rest + block).split(b'"')
        between = set(parts[inside::2])  # the parts that are in no quotes
        if not all(part[:1] in edges and part[-1:] in edges for part in between):
            return False
        inside ^= len(parts) % 2 == 1
    return not inside and rest[:1] in edges


def readable_rows(
    text: str, separator: str, skip: int, schema: pa.Schema, bad: BadRows
) -> Iterator[pa.RecordBatch]:
    """Batches of the rows that obey the rules; the others are added to `bad`."""
    width = len(schema)

    def good() -> Iterator[list[str | None]]:
        numbered = records(text, separator)
        for number, (line, cells) in enumerate(numbered):
            if line > skip and number > skip:  # after the header
                if cells and len(cells) == width:
                    yield cells
                else:
                    found = f"{len(cells)} cells where the header has {width}" if cells else None
                    bad.append((line, found or "its quotes do not match"))

    rows = good()
    for batch in iter(lambda: list(islice(rows, BATCH)), []):
        columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
        yield pa.record_batch(columns, schema=schema)


def records(text: str, separator: str) -> Iterator[Record]:
    """Each row's first line and its cells, None where it breaks the rules; no blank lines.

    A line without quotes may be a row, or belong to a cell of several lines that lost a quote. So
    it waits for the next line with quotes, and is no row where that one closes a quote that
    nobody opened. Nor is it behind a cell that was closed by the quote of a later row.
    """
    rest, held = False, []
    for line, cells, quoted, fault in attempts(text, separator):
        if cells and not quoted:
            held.append((line, None if rest else cells))
            continue
        yield from ((number, None if fault == CLOSED else waiting) for number, waiting in held)
        rest, held = fault == SPANS, []
        yield line, cells
    yield from held


def attempts(text: str, separator: str) -> Iterator[tuple[int, list | None, bool, str]]:
    """Of each row its first line and its cells, whether some are in quotes, and how it breaks the
    rules if it does: then reading starts again at its second line."""
    s = re.escape(separator)
    cell = re.compile(rf'"((?:[^"]++|"")*+)"|[^"{s}\r\n](?:[^{s}\r\n]*[^"{s}\r\n])?|')
    closing = re.compile(rf'"+(?:[{s}\r\n]|$)')
    at = start = 0
    line, cells, quoted = 1, [], False
    while start < len(text):
        match = cell.match(text, at)
        inner, at = match[1], match.end()
        cells.append(inner.replace('""', '"') if inner is not None else match[0] or None)
        quoted |= inner is not None
        bare = inner is None and match[0] != ""
        if text.startswith(separator, at) and not (bare and '""' in match[0]):
            at += 1
            continue
        end, fault = END.match(text, at), ""
        if (end is None and at < len(text)) or (bare and '""' in match[0]):
            end, cells = END.search(text, start), None
            fault = CLOSED if bare and closing.match(text, at) else OTHER
            if end and end.end() <= at:
                fault = SPANS
        if cells != [None]:
            yield line, cells, quoted, fault
        if end is None:
            return
        line += len(END.findall(text, start, end.end()))
        at = start = end.end()
        cells, quoted = [], False
