"""Rows of a file that cannot be read: each is named, and counted by clean.

fetch writes such a row as nulls, so that clean drops it as malformed and `clean.max_malformed` is
the one limit on how many there may be. A message names file and line and never shows the text.
"""

from pathlib import Path

import pyarrow as pa

from stages.common.cli import UserError

SHOWN = 3


class BadRows(list[tuple[int, str]]):
    """Line number and what is wrong, of each bad row of a file."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def first(self) -> str:
        return "{} line {}: {}".format(self.path, *self[0])

    def report(self, good: int) -> None:
        """Print the first few. Raises `UserError` where no row is good."""
        if self and not good:
            more = f", and so on in all {len(self)} rows" if len(self) > 1 else ""
            raise UserError(self.first() + more)
        for line, why in self[:SHOWN]:
            print(f"fetch: {self.path} line {line}: {why}; the row is left out")
        if len(self) > SHOWN:
            print(f"fetch: {self.path}: {len(self)} rows in all are left out")

    def nulls(self, schema: pa.Schema) -> pa.Table:
        return pa.table([pa.nulls(len(self), field.type) for field in schema], schema)
