"""Read CSV files in which a quote is missing or extra, without losing the rows around it.

A usual parser reads everything up to the next quote as one cell, and so joins rows silently. Here a
row that breaks the rules is bad, and reading continues at the line after its first.
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
    """Whether each quote opens or closes a cell, or is doubled inside one."""
    edges = {separator.encode(), b"\r", b"\n", b""}
    rest, inside = separator.encode(), False  # as if a cell came before the first
    while block := file.read(1 << 20):
        *parts, rest = (rest + block).split(b'"')
        between = set(parts[inside::2])  # the parts outside quotes
        if not all(part[:1] in edges and part[-1:] in edges for part in between):
            return False
        inside ^= len(parts) % 2 == 1
    return not inside and rest[:1] in edges


def readable_rows(
    text: str, separator: str, skip: int, schema: pa.Schema, bad: BadRows
) -> Iterator[pa.RecordBatch]:
    """Batches of the rows that obey the rules. The others are added to `bad`."""
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
    """The first line number and the cells of each row. Cells are None if the row breaks the rules.

    A line without quotes may be a row, or it may be part of a cell of several lines that lost a
    quote. It is therefore held back until the next line with quotes. It is not a row if that line
    closes a quote that was never opened, or if it follows a cell that ended only at the quote of a
    later row. Blank lines are skipped.
    """
    in_broken_cell, held = False, []
    for line, cells, quoted, fault in parse_rows(text, separator):
        if cells and not quoted:
            held.append((line, None if in_broken_cell else cells))
            continue
        yield from ((number, None if fault == CLOSED else waiting) for number, waiting in held)
        in_broken_cell, held = fault == SPANS, []
        yield line, cells
    yield from held


def parse_rows(text: str, separator: str) -> Iterator[tuple[int, list | None, bool, str]]:
    """For each row: its first line number, its cells, whether some are quoted, and its fault.

    After a row that breaks the rules, reading continues at its second line.
    """
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
