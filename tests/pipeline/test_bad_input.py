"""Malformed data: one clear sentence and exit status 1, or a skip that is counted and reported."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import clean, fetch, format_prompts
from stages.common.cli import run
from tests.helpers.data import SPLITS, TEXT, leftovers, project, read_rows, texts, write_splits

DATASET = {
    "fetch.dataset.source": "files",
    "fetch.dataset.path": "in",
    "fetch.dataset.files": {"train": "train.jsonl", "validation": None, "test": None},
}
COLUMNS = {f"clean.columns.{name}": value for name, value in TEXT.items()}


def refusal(main, capsys) -> str:
    """The sentence with which `main` ends, and nothing else of it is left."""
    with pytest.raises(SystemExit) as ended:
        run(main)
    message = str(ended.value.code)
    assert message.startswith("error: ") and "\n" not in message, message
    assert len(message) < 400
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert not leftovers()
    return message


FILES = [
    ("train.jsonl", b"", "train.jsonl holds no rows"),
    ("train.jsonl", b"\n \n", "train.jsonl holds no rows"),
    ("train.jsonl", b'{"text": \n"a"\n', "train.jsonl line 1: Expecting value"),
    ("train.jsonl", b'["a"]\n"a"\n', "train.jsonl line 1: it is not a JSON object"),
    ("train.jsonl", b"\x89PNG\r\n\x1a\n\x00\x00", "train.jsonl line 1"),
    ("train.jsonl", b"[" * 100_000 + b"\n", "train.jsonl line 1"),
    ("train.jsonl", b'{"text": ' + b"9" * 5000 + b"}\n", "train.jsonl line 1"),
    ("train.json", b"", "train.json is not valid JSON"),
    ("train.json", b'[{"text": "a"},', "train.json is not valid JSON"),
    ("train.json", b"5", "train.json must hold a list, or a dict, of objects"),
    ("train.json", b'[{"text": "a"}, null]', "train.json must hold a list, or a dict, of objects"),
    ("train.json", b'"text"', "train.json must hold a list"),
    ("train.json", b"[]", "train.json holds no rows"),
    ("train.json", b"{}", "train.json holds no rows"),
    ("train.json", b"[" * 100_000, "train.json is not valid JSON"),
    ("train.csv", b"", "train.csv"),
    ("train.csv", b"text,summary\na,b,c\n", "train.csv"),
    ("train.parquet", b"", "train.parquet"),
    ("train.parquet", b"PAR1 nothing PAR1", "train.parquet"),
    ("train.xlsx", b"PK", "train.xlsx cannot be read as xlsx"),
    ("train", b"a", "train: use a .csv"),
    ("gone.jsonl", None, "gone.jsonl does not exist: see fetch.dataset.files.train"),
    ("folder.jsonl", "folder", "folder.jsonl"),
]


@pytest.mark.parametrize(("name", "content", "said"), FILES)
def test_files_that_hold_no_table(tmp_path, monkeypatch, capsys, name, content, said):
    params = project(tmp_path, monkeypatch, DATASET | {"fetch.dataset.files.train": name})
    Path("in").mkdir()
    if content == "folder":
        Path("in", name).mkdir()
    elif content is not None:
        Path("in", name).write_bytes(content)
    assert said in refusal(lambda: fetch.fetch_dataset(params.fetch.dataset), capsys)
    assert not Path("data/raw").exists()


WHOLE = {split: {"a": '{"x": {"log": []}}'} for split in ("train", "val", "test")}
SHARDS = [
    ({}, "no shards of train"),
    ({"train": {}, "val": {}, "test": {}}, "in/train holds no .json shard"),
    (
        WHOLE | {"train": {"a": "[]"}},
        "in/train/a.json is not a shard: expected a dict of dialogues",
    ),
    (WHOLE | {"train": {"a": '{"x": []}'}}, "in/train/a.json is not a shard"),
    (WHOLE | {"train": {"a": '{"x": {'}}, "in/train/a.json is not valid JSON"),
    ({"train": {"a": '{"x": {"log": []}}'}}, "no shards of validation"),
]


@pytest.mark.parametrize(("folders", "said"), SHARDS)
def test_folders_that_hold_no_shards(tmp_path, monkeypatch, capsys, folders, said):
    params = project(tmp_path, monkeypatch, {"fetch.dataset.path": "in"})
    Path("in").mkdir()
    for folder, shards in folders.items():
        Path("in", folder).mkdir()
        for name, content in shards.items():
            Path("in", folder, f"{name}.json").write_text(content)
    assert said in refusal(lambda: fetch.fetch_dataset(params.fetch.dataset), capsys)


# Rows of JSON lines that stand among good ones: each is skipped, counted, and its reason printed.
ROWS = [
    ({}, "1 without a conversation"),
    ({"text": None, "summary": "S"}, "1 without a conversation"),
    ({"summary": "S"}, "1 without a conversation"),
    ({"text": "", "summary": "S"}, "1 with empty turns"),
    ({"text": " \t\n", "summary": "S"}, "1 with empty turns"),
    ({"text": "\x00\x01\x02", "summary": "S"}, "1 with empty turns"),
    ({"text": "😀👍🏽", "summary": "S"}, "1 with empty turns"),
    ({"text": "\u200b\u200d\ufe0f", "summary": "S"}, "1 with empty turns"),
    ({"text": "@bob https://t.co/x", "summary": "S"}, "1 with empty turns"),
    ({"text": ["a", ["b"]], "summary": "S"}, "1 with empty turns"),
    ({"text": {"a": {"b": "c"}}, "summary": "S"}, "1 with empty turns"),
    ({"text": "hello", "summary": None}, "1 without references"),
    ({"text": "hello"}, "1 without references"),
    ({"text": "hello", "summary": ""}, "1 without references"),
    ({"text": "hello", "summary": " \n "}, "1 without references"),
    ({"text": "hello", "summary": []}, "1 without references"),
    ({"text": "hello", "summary": [None, ""]}, "1 without references"),
    ({"text": "hello", "summary": [{"a": 5}]}, "1 without references"),
]


def cleaned(tmp_path, monkeypatch, rows: list[dict], **knobs) -> dict[str, list[dict]]:
    """Rows of the prompts made of JSON lines, by fetch, clean and format_prompts."""
    edits = DATASET | COLUMNS | {f"clean.{name}": value for name, value in knobs.items()}
    params = project(tmp_path, monkeypatch, edits)
    Path("in").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    Path("in/train.jsonl").write_text(lines, encoding="utf-8")
    fetch.fetch_dataset(params.fetch.dataset)
    clean.main()
    format_prompts.main()
    assert not leftovers()
    return {split: read_rows(f"data/prompts/{split}.parquet") for split in SPLITS}


@pytest.mark.parametrize(("row", "said"), ROWS)
def test_rows_are_skipped_and_counted(tmp_path, monkeypatch, capsys, row, said):
    kept = cleaned(tmp_path, monkeypatch, [*texts(30), row, *texts(10, "other")])
    assert sum(len(rows) for rows in kept.values()) == 40
    assert f"dropped: {said};" in capsys.readouterr().out


def words(count: int) -> str:
    return " ".join(f"word{i}" for i in range(count))


# Texts that are odd and no error, with a piece that their prompt must hold.
ODD = [
    (words(100_000), "word99999"),
    ("1 " * 100_000, "1 1 1"),
    ("a" * 1_000_000, "a" * 1_000_000),
    ("@" * 100_000 + " end", "end"),
    (":" * 100_000 + " end", "end"),
    ("1." * 50_000 + " end", "end"),
    ("order " * 20_000 + "end", "order end"),
    ("bell \x07 and null \x00 go", "bell and null go"),
    ("مرحبا، لم تصل حقيبتي", "لم تصل حقيبتي"),
    ("\u202eturned\u202c back", "turned back"),
    ("good 👩‍👩‍👧 day 🇫🇷", "good day"),
    ("e\u0301te\u0301 中文 ไทย", "中文"),
    ("half of an emoji: \ud83d end", "half of an emoji: end"),
    ("line\u2028break\u0085and\x0bmore", "line break and more"),
    ("{conversation} {0} %s", "conversation"),
    ("my <b>bag</b> is <i>lost", "bag"),
]


@pytest.mark.parametrize(("text", "piece"), ODD, ids=range(len(ODD)))
def test_odd_texts_pass(tmp_path, monkeypatch, text, piece):
    kept = cleaned(tmp_path, monkeypatch, [*texts(30), {"text": text, "summary": "Odd."}])
    prompts = [
        row["prompt"] for rows in kept.values() for row in rows if "Odd." in row["references"]
    ]
    assert len(prompts) == 1 and piece in prompts[0]


TEXT_TYPE, NUMBER = pa.string(), pa.int64()
TABLES = [
    ({"text": pa.array([1], NUMBER)}, "clean.columns.conversation 'text' is Int64: no text"),
    ({"text": pa.array([b"a"])}, "clean.columns.conversation 'text' is Binary: no text"),
    ({"text": pa.array([True])}, "clean.columns.conversation 'text' is Boolean: no text"),
    ({"text": pa.array([{"a": "b"}])}, "clean.columns.conversation 'text' holds objects"),
    ({"text": pa.array([[1]])}, "the turns of 'text' are neither texts nor objects"),
    ({"text": pa.array([[["a"]]])}, "the turns of 'text' are neither texts nor objects"),
    ({"text": pa.array([[{"a": "b"}]])}, "turns are objects: set clean.columns.text"),
    ({"text": pa.array([None], TEXT_TYPE)}, "100% of 3 rows are malformed"),
    ({"text": pa.array([None])}, "100% of 3 rows are malformed"),
    ({"summary": pa.array([5])}, "100% of 3 rows are malformed (3 without references)"),
    ({"summary": pa.array([b"a"])}, "100% of 3 rows are malformed (3 without references)"),
    ({"summary": pa.array([None])}, "100% of 3 rows are malformed (3 without references)"),
]


@pytest.mark.parametrize(("columns", "said"), TABLES)
def test_columns_of_another_type(tmp_path, monkeypatch, capsys, columns, said):
    project(tmp_path, monkeypatch, COLUMNS)
    Path("data/raw").mkdir(parents=True)
    for split in SPLITS:
        table = {"text": pa.array([f"talk {split}"]), "summary": pa.array(["S"])} | columns
        pq.write_table(pa.table(table), f"data/raw/{split}.parquet")
    assert said in refusal(clean.main, capsys)
    assert not Path("data/clean").exists()


def test_one_dialogue_cannot_fill_three_splits(tmp_path, monkeypatch, capsys):
    project(tmp_path, monkeypatch, COLUMNS)
    write_splits("data/raw", train=texts(1))
    assert "no dialogue is left in" in refusal(clean.main, capsys)


def test_one_dialogue_a_split_is_enough(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, COLUMNS)
    write_splits("data/raw", **{split: texts(1, split) for split in SPLITS})
    run(clean.main)
    run(format_prompts.main)
    assert len(read_rows("data/prompts/train.parquet")) == 1


def test_empty_train(tmp_path, monkeypatch, capsys):
    project(tmp_path, monkeypatch, COLUMNS)
    write_splits("data/raw", train=[], validation=texts(1), test=texts(1, "t"))
    pq.write_table(
        pa.table({"text": ["a"], "summary": ["S"]}).slice(0, 0), "data/raw/train.parquet"
    )
    assert "no dialogue is left in train" in refusal(clean.main, capsys)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 nothing PAR1", b"text,summary\na,b\n"])
@pytest.mark.parametrize(("stage", "folder"), [(clean, "raw"), (format_prompts, "clean")])
def test_broken_table_between_stages(tmp_path, monkeypatch, capsys, stage, folder, content):
    project(tmp_path, monkeypatch, COLUMNS)
    write_splits(f"data/{folder}", train=texts(3))
    Path(f"data/{folder}/train.parquet").write_bytes(content)
    message = refusal(stage.main, capsys)
    assert f"data/{folder}/train.parquet is not a table that can be read" in message


def test_usage_of_fetch(tmp_path, monkeypatch, capsys):
    project(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["fetch", "everything"])
    assert "usage: python -m stages.fetch dataset|model" in refusal(fetch.main, capsys)
