"""JSON rows with different types in one column become a table that Parquet can store."""

import json

import pyarrow.parquet as pq
import pytest

from stages.sources.tables import to_table
from tests.helpers.data import read_rows


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "b", None, 2.5, True], ["1", "b", None, "2.5", "true"]),
        ([2**70, 1], [str(2**70), "1"]),
        (["half \ud83d", {"a": "\ud83d"}], ["half ", '{"a": ""}']),  # cut inside an emoji
        ([[{"a": "x"}], 5, [{"a": "y"}]], [[{"a": "x"}], None, [{"a": "y"}]]),
        ([[{"a": "x"}], [1, 2], "nan", [{"a": "y"}]], [[{"a": "x"}], None, None, [{"a": "y"}]]),
        ([[{"a": "x"}], "text", []], ['[{"a": "x"}]', "text", "[]"]),
        ([[{"a": 1}], [{"a": "y"}], []], [[{"a": "1"}], [{"a": "y"}], []]),
        ([[{"a": "x"}], ["t"]], ['[{"a": "x"}]', '["t"]']),
        ([{"a": 1}, [{"a": "x"}]], ['{"a": 1}', '[{"a": "x"}]']),
        ([{"a": 1}, [1], {"b": 2}], ['{"a": 1}', None, '{"b": 2}']),
        ([[["a"], []], [["b"]], [1]], [[["a"], []], [["b"]], None]),
        ([[1, "x", []], [[1], 2]], ['[1, "x", []]', "[[1], 2]"]),
        ([[{}], [{}]], [[None], [None]]),
    ],
)
def test_column_of_mixed_values_gets_one_type(tmp_path, values, expected):
    # Lone surrogates come from JSON.
    rows = json.loads(json.dumps([{"n": 0, "v": value} for value in values]))
    pq.write_table(to_table(rows, "rows"), tmp_path / "x.parquet")
    assert [row["v"] for row in read_rows(tmp_path / "x.parquet")] == expected


def test_columns_are_those_of_all_rows():
    table = to_table([{"a": 1}, {"b": "x", "a": None}], "rows")
    assert table.to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]
