"""Which separator and which way to write quotes a CSV file has, told by its text."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

SEPARATORS = ",;\t|"
# A cell, of each way to write quotes, and nothing that the way does not allow.
CELLS = {
    "doubled": r'"(?:[^"]++|"")*+"|[^"{s}\r\n]*+',
    "backslash": r'"(?:[^"\\]++|\\.|"")*+"|(?:[^"\\{s}\r\n]++|\\.)*+',
    "none": r"(?!\"[^{s}\r\n]*\"(?:[{s}\r\n]|$))[^{s}\r\n]*+",
}
END = re.compile(r"\r\n|\r|\n")
MOST = 500  # rows to tell by


class Dialect(NamedTuple):
    separator: str
    quoting: str  # doubled | backslash | none: a quote is a character like any other
    skip: int = 0  # lines before the header
    escapes: bytes = b'\\"'  # what a backslash escapes; before anything else it stands for itself


def dialect_of(sample: str, name: str) -> Dialect:
    """The dialect that fits most rows of the sample; `name`, of the file, decides between equals.

    Most programs double a quote and separate by commas, so these go first.
    """
    said = re.match(r"\ufeff?sep=(.)(?:\r\n|\r|\n)", sample)  # Excel's own way to say it
    separators = "\t,;|" if ".tsv" in name else SEPARATORS
    start = said.end() if said else 0
    best, least = Dialect(separators[0], "doubled"), 2.0
    for separator in said[1] if said else separators:
        for quoting in CELLS:
            misfits = share_of_misfits(sample, start, separator, quoting)
            if misfits < least:
                best, least = Dialect(separator, quoting), misfits
    quoted = re.search(rf'(?:^|[{re.escape(best.separator)}\r\n])"', sample[start:])
    bare = best.quoting == "backslash" and not quoted
    escapes = b'\\"\r\n' + best.separator.encode() if bare else b'\\"'
    return best._replace(skip=int(said is not None), escapes=escapes)


def share_of_misfits(sample: str, start: int, separator: str, quoting: str) -> float:
    """The share of rows that break the rules or have another number of cells than the header.

    1 or more where the header has one cell only: then nothing speaks for this separator.
    """
    found = list(islice(rows(sample, start, separator, quoting), MOST))
    if not found:
        return 2.0
    header, count = found[0][0], len(found)
    misfits = sum(width != header for width, _ in found) / count
    if quoting == "none":  # no plain characters, where they stand as quotes do
        quoted = islice(rows(sample, start, separator, "doubled"), MOST)
        misfits += sum(width > 0 and has_quotes for width, has_quotes in quoted) / count
    return misfits if header > 1 else 1.0 + misfits / 3


def rows(sample: str, start: int, separator: str, quoting: str) -> Iterator[tuple[int, bool]]:
    """Of each row, the number of its cells, 0 where it breaks the rules, and whether one of them
    is in quotes. Blank lines are no rows."""
    cell = re.compile(CELLS[quoting].format(s=re.escape(separator)), re.DOTALL)
    at, width, quoted = start, 0, False
    while at < len(sample):
        match = cell.match(sample, at)
        if match and not match[0] and sample.startswith('"', at) and quoting != "none":
            yield 0, False  # a quote that is not closed: the sample's end, as a rule
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
