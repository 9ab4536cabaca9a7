"""The tables between stages: a Parquet file for each split."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.atomic_io import need
from stages.common.cli import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SPLITS = ("train", "validation", "test")
BATCH_BYTES = 2**26  # of a table's columns; what is done with a batch takes several times as much


def open_parquet(path: str | Path, hint: str) -> "pq.ParquetFile":
    """Open a table for reading in batches. Raises `UserError` if it is missing or broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # With pre_buffer, the complete file would end up in memory.
        return pq.ParquetFile(need(path, hint), pre_buffer=False)
    except pa.ArrowInvalid:
        raise UserError(f"{path} is not a table that can be read: {hint}") from None


def rows_at_a_time(file: "pq.ParquetFile", most: int) -> int:
    """How many rows to read at a time, at most `most`: fewer where they are long, as articles are."""
    groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)  # uncompressed
    rows = max(1, file.metadata.num_rows)
    return max(1, min(most, BATCH_BYTES * rows // max(size, 1)))


def write_parquet(path: Path, schema: "pa.Schema") -> "pq.ParquetWriter":
    """A writer for tables of texts. Texts hardly repeat and are never searched by their bounds: a
    dictionary and statistics would cost a third of the time and help no reader. Speakers repeat.
    """
    import pyarrow.parquet as pq

    return pq.ParquetWriter(
        path,
        schema,
        compression="lz4",
        use_dictionary=["turns.list.element.speaker"],
        write_statistics=False,
    )
