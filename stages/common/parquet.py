"""Tables between stages: Parquet, a file a split."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.atomic_io import need
from stages.common.cli import UserError

if TYPE_CHECKING:
    import pyarrow.parquet

SPLITS = ("train", "validation", "test")


def open_parquet(path: str | Path, hint: str) -> "pyarrow.parquet.ParquetFile":
    """The table of a stage before; a `UserError` names the file where it is missing or broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Buffered ahead, a file would end up in memory whole while batches of it are read.
        return pq.ParquetFile(need(path, hint), pre_buffer=False)
    except pa.ArrowInvalid:
        raise UserError(f"{path} is not a table that can be read: {hint}") from None
