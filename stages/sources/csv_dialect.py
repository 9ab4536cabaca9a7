"""Detect the dialect of a CSV file: its separator and how it writes quotes."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

SEPARATORS = ",;\t|"
# A cell in each style of quoting. It matches nothing that the style does not allow.
CELLS = {
    "doubled": r'"(?:[^"]++|"")*+"|[^"{s}\r\n]*+',
    "backslash": r'"(?:[^"\\]++|\\.|"")*+"|(?:[^"\\{s}\r\n]++|\\.)*+',
    "none": r"(?!\"[^{s}\r\n]*\"(?:[{s}\r\n]|$))[^{s}\r\n]*+",
}
END = re.compile(r"\r\n|\r|\n")
MAX_ROWS = 500  # rows of the sample that are looked at


class Dialect(NamedTuple):
    separator: str
    quoting: str  # doubled | backslash | none: a quote is an ordinary character
    skip: int = 0  # lines before the header
    escapes: bytes = b'\\"'  # what a backslash escapes; before any other character it is literal


def dialect_of(sample: str, name: str) -> Dialect:
    """The dialect that fits most rows of the sample. The file's `name` decides between equal fits.

    Most programs double a quote and separate by commas, so these are tried first.
    """
    declared = re.match(r"\ufeff?sep=(.)(?:\r\n|\r|\n)", sample)  # Excel's first line
    separators = "\t,;|" if ".tsv" in name else SEPARATORS
    start = declared.end() if declared else 0
    best, lowest = Dialect(separators[0], "doubled"), 2.0
    for separator in declared[1] if declared else separators:
        for quoting in CELLS:
            misfits = share_of_misfits(sample, start, separator, quoting)
            if misfits < lowest:
                best, lowest = Dialect(separator, quoting), misfits
    quoted = re.search(rf'(?:^|[{re.escape(best.separator)}\r\n])"', sample[start:])
    bare = best.quoting == "backslash" and not quoted
    escapes = b'\\"\r\n' + best.separator.encode() if bare else b'\\"'
    return best._replace(skip=int(declared is not None), escapes=escapes)


def share_of_misfits(sample: str, start: int, separator: str, quoting: str) -> float:
    """The share of rows that break the rules or have a different number of cells from the header.

    It is 1 or more if the header has only one cell: nothing then suggests this separator.
    """
    found = list(islice(row_widths(sample, start, separator, quoting), MAX_ROWS))
    if not found:
        return 2.0
    header, count = found[0][0], len(found)
    misfits = sum(width != header for width, _ in found) / count
    if quoting == "none":  # where quotes enclose cells, they are not ordinary characters
        quoted = islice(row_widths(sample, start, separator, "doubled"), MAX_ROWS)
        misfits += sum(width > 0 and has_quotes for width, has_quotes in quoted) / count
    return misfits if header > 1 else 1.0 + misfits / 3


def row_widths(sample: str, start: int, separator: str, quoting: str) -> Iterator[tuple[int, bool]]:
    """For each row, the number of its cells and whether one of them is in quotes.

    The number is 0 if the row breaks the rules. Blank lines are skipped.
    """
    cell = re.compile(CELLS[quoting].format(s=re.escape(separator)), re.DOTALL)
    at, width, quoted = start, 0, False
    while at < len(sample):
        match = cell.match(sample, at)
        if match and not match[0] and sample.startswith('"', at) and quoting != "none":
            yield 0, False  # a quote that is not closed, usually by the end of the sample
            return
        at = match.end() if match else at
        width += 1
        quoted |= match is not None and match[0].startswith('"')
        if match and sample.startswith(separator, at):
            at += 1
            continue
        end = END.search(sample, at)
        fits = match and (end is None or end.start() == at)
        if not fits or width > 1 or match.end() > match.start():
            yield width if fits else 0, quoted
        if end is None:
            return
        at, width, quoted = end.end(), 0, False
