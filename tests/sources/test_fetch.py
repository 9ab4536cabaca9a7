"""fetch: each supported source becomes tables with its own columns, and a failure changes nothing."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.common.cli import UserError
from stages.fetch import fetch_dataset
from tests.helpers.data import ROOT, leftovers, project, python, read_rows, write_params

ROWS = [{"id": 1, "text": 'Hé,\n"you"', "summary": "A"}, {"id": 2, "text": "b", "summary": None}]
DATASET = {
    "fetch.dataset.source": "files",
    "fetch.dataset.path": "in",
    "fetch.dataset.files": {"train": "train.jsonl", "validation": None, "test": None},
}


def fetched(tmp_path, monkeypatch, name: str, content: str | bytes) -> list[dict]:
    """Rows of the train table that fetch makes of one file."""
    params = project(tmp_path, monkeypatch, DATASET | {"fetch.dataset.files.train": name})
    Path("in").mkdir(exist_ok=True)
    Path("in", name).write_bytes(content if isinstance(content, bytes) else content.encode())
    fetch_dataset(params.fetch.dataset)
    return read_rows("data/raw/train.parquet")


def test_bundled_shards_are_read_in_order(tmp_path, monkeypatch, capsys):
    params = project(tmp_path, monkeypatch, {"fetch.dataset.path": "in"})
    turn = {"turn id": 1, "user utterance": "hi", "system response": None, "side": {"a": [1]}}
    row = {"original dialog id": "x", "log": [turn], "info": {"summaries": [["é"]]}}
    for folder, names in {"train": "hdbagecf", "val": ["v"], "test": ["t"]}.items():
        Path("in", folder).mkdir(parents=True)
        for name in names:
            Path("in", folder, f"{name}.json").write_text(json.dumps({f"D--{name}": row}))
    fetch_dataset(params.fetch.dataset)
    names = [row["new dialog id"] for row in read_rows("data/raw/train.parquet")]
    assert names == [f"D--{name}" for name in "abcdefgh"]
    assert read_rows("data/raw/validation.parquet") == [
        {
            "new dialog id": "D--v",
            "original dialog id": "x",
            "log": [turn | {"side": '{"a": [1]}'}],  # keys may differ from row to row, so text
            "info": '{"summaries": [["é"]]}',
        }
    ]
    assert "train 8, validation 1, test 1 rows" in capsys.readouterr().out
    assert not leftovers()


def test_bundled_corpus_is_fetched_unchanged(tmp_path, monkeypatch):
    params = project(tmp_path, monkeypatch, {"fetch.dataset.path": str(ROOT / "data/bundled")})
    fetch_dataset(params.fetch.dataset)
    for split, folder in {"train": "train", "validation": "val", "test": "test"}.items():
        shards = (ROOT / "data/bundled" / folder).glob("*.json")
        names = [name for shard in shards for name in json.loads(shard.read_text("utf-8"))]
        rows = read_rows(f"data/raw/{split}.parquet")
        assert [row["new dialog id"] for row in rows] == names
        assert all(row["log"] for row in rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(ROWS)),
        ("b.json", "\ufeff" + json.dumps({"x": ROWS[0], "y": ROWS[1]})),
        ("c.jsonl", "\ufeff" + "\n\n".join(map(json.dumps, ROWS)) + "\n"),
        ("d.jsonl", "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)),
    ],
)
def test_json_file_is_fetched(tmp_path, monkeypatch, name, content):
    assert fetched(tmp_path, monkeypatch, name, content) == ROWS


def test_csv_cell_may_have_line_breaks(tmp_path, monkeypatch):
    content = 'id,text,summary\n1,"Hé,\n""you""",A\n2,b,"c"\n'
    expected = [ROWS[0] | {"id": "1"}, ROWS[1] | {"id": "2", "summary": "c"}]
    assert fetched(tmp_path, monkeypatch, "a.csv", content) == expected


def test_csv_cell_may_have_line_breaks_where_a_block_ends(tmp_path, monkeypatch):
    text = "a line\n" * 1000  # blocks of 1 MB end inside such a text
    content = "id,text\n" + "".join(f'{i},"{text}"\n' for i in range(400))
    rows = fetched(tmp_path, monkeypatch, "a.csv", content)
    assert rows == [{"id": str(i), "text": text} for i in range(400)]


def test_nested_parquet_is_fetched_unchanged(tmp_path, monkeypatch):
    rows = [{"log": [{"content": "hi", "role": "agent"}], "nested": {"a": [["x"]]}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    assert fetched(tmp_path, monkeypatch, "a.parquet", content) == rows


def test_null_split_is_an_empty_table_with_the_same_columns(tmp_path, monkeypatch, capsys):
    fetched(tmp_path, monkeypatch, "a.json", json.dumps(ROWS))
    for split in ("validation", "test"):
        table = pq.read_table(f"data/raw/{split}.parquet")
        assert (table.num_rows, table.column_names) == (0, ["id", "text", "summary"])
    assert "train 2, validation 0, test 0 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "[{", r"in/a\.json is not valid JSON: .*line 1"),
        (
            "a.json",
            '{"train": [{"a": 1}], "dev": [{"a": 1}]}',
            "several tables, 'train', 'dev': write",
        ),
        ("a.json", '{"a": 1}', r"in/a\.json must hold a list, or a dict, of objects"),
        ("a.json", "", r"in/a\.json is not valid JSON"),
        ("a.json", "[]", r"in/a\.json holds no rows"),
        ("a.jsonl", '{"a": \n\n{"a": 2', r"in/a\.jsonl line 1: .*all 2 rows"),
        ("a.jsonl", "[1]\n", r"in/a\.jsonl line 1: it is not a JSON object"),
        ("a.jsonl", "\n", r"in/a\.jsonl holds no rows"),
        ("a.csv", "a,b\n1,2,3\n", r"in/a\.csv line 2: 3 cells where the header has 2"),
        ("a.csv", "", r"in/a\.csv holds no rows"),
        ("a.parquet", "no", r"in/a\.parquet cannot be read as parquet"),
        ("a.txt", "no", r"in/a\.txt: use a \.csv, \.tsv, \.json, "),
    ],
)
def test_bad_file_is_named_and_the_old_data_kept(tmp_path, monkeypatch, name, content, message):
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/old").touch()
    with pytest.raises(UserError, match=message) as error:
        fetched(tmp_path, monkeypatch, name, content)
    assert "\n" not in str(error.value)
    assert [path.name for path in Path("data/raw").iterdir()] == ["old"]
    assert not leftovers()


def test_failed_write_keeps_the_old_data(tmp_path, monkeypatch):
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/old").touch()

    class DiskFull(pq.ParquetWriter):
        def __init__(self, path, schema):
            if path.stem == "test":
                raise OSError(28, "No space left on device")
            super().__init__(path, schema)

    monkeypatch.setattr(pq, "ParquetWriter", DiskFull)
    with pytest.raises(UserError, match="No space"):
        fetched(tmp_path, monkeypatch, "a.json", json.dumps(ROWS))
    assert [path.name for path in Path("data/raw").iterdir()] == ["old"]
    assert not leftovers()

    monkeypatch.undo()
    fetched(tmp_path, monkeypatch, "a.json", json.dumps(ROWS))
    written = {path.name for path in Path("data/raw").iterdir()}
    assert written == {"train.parquet", "validation.parquet", "test.parquet"}


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({}, r"in/train\.jsonl does not exist: see fetch\.dataset\.files\.train"),
        ({"fetch.dataset.files.test": "t.csv"}, r"in/t\.csv does not exist: .*\.files\.test"),
        ({"fetch.dataset.source": "bundled"}, "in/train does not exist: no shards of train"),
    ],
)
def test_missing_file_is_named(tmp_path, monkeypatch, edits, message):
    params = project(tmp_path, monkeypatch, DATASET | edits)
    Path("in").mkdir()
    if "fetch.dataset.files.test" in edits:
        Path("in/train.jsonl").write_text(json.dumps(ROWS[0]))
    with pytest.raises(UserError, match=message):
        fetch_dataset(params.fetch.dataset)
    assert not Path("data/raw").exists()


def test_training_data_cannot_be_null(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"fetch\.dataset\.files\.train is None"):
        project(tmp_path, monkeypatch, DATASET | {"fetch.dataset.files.train": None})


def test_missing_or_invalid_shard_is_named(tmp_path, monkeypatch):
    params = project(tmp_path, monkeypatch, {"fetch.dataset.path": "in"})
    Path("in/train").mkdir(parents=True)
    with pytest.raises(UserError, match=r"in/train holds no \.json shard"):
        fetch_dataset(params.fetch.dataset)
    for folder in ("train", "val", "test"):
        Path("in", folder).mkdir(exist_ok=True)
        Path("in", folder, "a.json").write_text("[1]")
    with pytest.raises(UserError, match=r"in/train/a\.json is not a shard"):
        fetch_dataset(params.fetch.dataset)


@pytest.mark.parametrize("args", [[], ["both"], ["dataset", "model"]])
def test_wrong_arguments_print_the_usage(tmp_path, args):
    write_params(tmp_path)
    done = python("-m", "stages.fetch", *args, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: usage: python -m stages.fetch dataset|model\n"
