"""The tables between stages: a Parquet file for each split."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.atomic_io import need
from stages.common.cli import UserError

if TYPE_CHECKING:
    import pyarrow.parquet

SPLITS = ("train", "validation", "test")


def open_parquet(path: str | Path, hint: str) -> "pyarrow.parquet.ParquetFile":
    """Open a table for reading in batches. Raises `UserError` if it is missing or broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # With pre_buffer, the complete file would end up in memory.
        return pq.ParquetFile(need(path, hint), pre_buffer=False)
    except pa.ArrowInvalid:
        raise UserError(f"{path} is not a table that can be read: {hint}") from None
