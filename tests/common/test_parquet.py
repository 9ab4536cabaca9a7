"""Tables are read in batches of bounded size, however long their rows are."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.common.parquet import BATCH_BYTES, open_parquet, rows_at_a_time


@pytest.mark.parametrize(
    ("rows", "length", "expected"),
    [(0, 0, 20_000), (100, 10, 20_000), (64, 100_000, BATCH_BYTES // 100_000)],
)
def test_rows_at_a_time(tmp_path, rows, length, expected):
    path = tmp_path / "a.parquet"
    texts = [f"{i:09} " + "x" * (length - 10) for i in range(rows)]
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), path, row_group_size=10)
    found = rows_at_a_time(open_parquet(path, "write it"), 20_000)
    assert found == pytest.approx(expected, rel=0.01)
