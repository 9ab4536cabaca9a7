"""Rows of a file that cannot be read. fetch reports each of them and clean counts them.

fetch writes such a row as nulls. clean then drops it as malformed, so that `clean.max_malformed` is
the only limit on bad rows. A message gives file and line and never shows the text.
"""

from pathlib import Path

import pyarrow as pa

from stages.common.cli import UserError

MAX_SHOWN = 3


class BadRows(list[tuple[int, str]]):
    """The bad rows of a file: the line number of each, and what is wrong with it."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def first(self) -> str:
        return "{} line {}: {}".format(self.path, *self[0])

    def report(self, good: int) -> None:
        """Print the first few. Raises `UserError` if the file has no good row."""
        if self and not good:
            more = f"; all {len(self)} rows are bad" if len(self) > 1 else ""
            raise UserError(self.first() + more)
        for line, why in self[:MAX_SHOWN]:
            print(f"fetch: {self.path} line {line}: {why}; the row is left out")
        if len(self) > MAX_SHOWN:
            print(f"fetch: {self.path}: in total, {len(self)} rows are left out")

    def nulls(self, schema: pa.Schema) -> pa.Table:
        return pa.table([pa.nulls(len(self), field.type) for field in schema], schema)
