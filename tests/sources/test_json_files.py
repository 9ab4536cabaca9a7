"""JSON files in every usual layout: lines, lists, dicts of rows, each `orient` of pandas."""

import json

import pandas as pd
import pyarrow as pa
import pytest

from stages.common.cli import UserError
from stages.sources import json_files
from stages.sources.tables import read_table
from stages.sources.text import encoding_of
from tests.helpers.files import fetched, talks


def lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


LAYOUTS = {
    "lines": lines,
    "lines of a list": lambda rows: lines(rows).replace("}\n", "},\n"),
    "list, a row a line": lambda rows: "[\n" + lines(rows).replace("}\n", "},\n")[:-2] + "\n]",
    "list, a comma after its last row": lambda rows: (
        "[\n" + lines(rows).replace("}\n", "},\n") + "]\n"
    ),
    "rows below a key": lambda rows: (
        '{"data": [\n' + lines(rows).replace("}\n", "},\n")[:-2] + "\n]}"
    ),
    "list": json.dumps,
    "indented list": lambda rows: json.dumps(rows, indent=2),
    "dict of rows": lambda rows: json.dumps({row["id"]: row for row in rows}),
    "dict of rows, numbered": lambda rows: json.dumps(dict(enumerate(rows))),
    "objects on several lines": lambda rows: "\n".join(json.dumps(r, indent=2) for r in rows),
    "rows beside a version": lambda rows: json.dumps({"version": "1", "data": rows}),
    "dict of lists": lambda rows: json.dumps(pd.DataFrame(rows).to_dict("list")),
    **{
        f"pandas {orient}": lambda rows, orient=orient: pd.DataFrame(rows).to_json(orient=orient)
        for orient in ("columns", "index", "split", "records")
    },
    "pandas lines": lambda rows: pd.DataFrame(rows).to_json(orient="records", lines=True),
    "pandas columns, named rows": lambda rows: pd.DataFrame(
        rows, index=[f"d{n}" for n in range(len(rows))]
    ).to_json(),
    "pandas index, named rows": lambda rows: pd.DataFrame(
        rows, index=[f"d{n}" for n in range(len(rows))]
    ).to_json(orient="index"),
}


ROWS = ["lines", "pandas lines", "list", "indented list", "objects on several lines"]


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        *((layout, name) for layout in LAYOUTS for name in ("a.json", "A.JSON")),
        *((layout, name) for layout in ROWS for name in ("a.jsonl", "a.ndjson", "a.JSONL")),
    ],
)
def test_every_layout_gives_its_rows(tmp_path, layout, name):
    rows, path = talks(), tmp_path / name
    path.write_text(LAYOUTS[layout](rows), encoding="utf-8")
    assert read_table(path).to_pylist() == rows


def test_table_layout_of_pandas_is_read(tmp_path):
    rows, path = talks(), tmp_path / "a.json"
    pd.DataFrame(rows).to_json(path, orient="table")
    assert read_table(path).drop_columns("index").to_pylist() == rows


def test_layout_without_column_names_is_refused(tmp_path):
    path = tmp_path / "a.json"
    pd.DataFrame(talks()).to_json(path, orient="values")
    with pytest.raises(UserError, match=r"a\.json must hold a list, or a dict, of objects"):
        read_table(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson"])
@pytest.mark.parametrize(
    "bad", ['{"id": "secret', "[1]", '"secret"', "secret", "null", "[" * 10**5]
)
@pytest.mark.parametrize("at", [0, 20, 36])
def test_bad_line_is_counted_and_named(tmp_path, monkeypatch, capsys, name, bad, at):
    rows = talks()
    content = lines(rows[:at]) + bad + "\n\n" + lines(rows[at:])
    read = fetched(tmp_path, monkeypatch, name, content.encode())
    assert read == [*rows, dict.fromkeys(rows[0])]  # clean counts rows of nulls
    printed = capsys.readouterr().out
    assert f"in/{name} line {at + 1}: " in printed
    assert "secret" not in printed


def test_missing_value_does_not_turn_lists_into_text(tmp_path):
    rows = [{"turns": [{"text": "a"}]}, {"turns": ""}, {"turns": "N/A"}, {"turns": [{"text": "b"}]}]
    path = tmp_path / "a.jsonl"
    path.write_text(lines(rows))
    turns = read_table(path)["turns"].to_pylist()
    assert turns == [[{"text": "a"}], None, None, [{"text": "b"}]]


def test_columns_of_all_batches_are_unified(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "BATCH", 2)
    rows = [
        {"id": 1, "turns": [{"text": "a"}]},
        {"id": 2, "turns": None},
        {"id": "x", "turns": [{"text": "b", "speaker": "c"}]},
        {"id": None, "turns": "odd", "more": "m"},
        {"id": 2**70, "turns": []},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text(lines(rows))
    table = read_table(path)
    assert table["id"].to_pylist() == ["1", "2", "x", None, str(2**70)]
    # Texts and lists in one column: lists become JSON text.
    turns = ['[{"text": "a"}]', None, '[{"text": "b", "speaker": "c"}]', "odd", "[]"]
    assert table["turns"].to_pylist() == turns
    assert table["more"].to_pylist() == [None, None, None, "m", None]


def test_long_lines_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / "train.jsonl"
    rows = [{"id": i, "text": "word " * 60, "more": None if i < 40 else "x"} for i in range(50)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "no json\n")
    together = json_files.read_json_table(path, encoding_of(path), lines=True).read_all()
    monkeypatch.setattr(json_files, "BATCH_BYTES", 1000)
    batches = list(json_files.read_json_table(path, encoding_of(path), lines=True))
    assert max(batch.num_rows for batch in batches) <= 4
    assert pa.Table.from_batches(batches).equals(together)
    assert together.to_pylist() == [*rows, dict.fromkeys(rows[0])]
