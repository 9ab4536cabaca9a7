"""fetch: the needed files of a hub are downloaded with its real client and verified."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.common.cli import UserError
from stages.fetch import fetch_model
from stages.sources.split_files import split_files
from tests.helpers.data import TEXT, project, read_rows, texts
from tests.helpers.hub import FIRST, MODEL, fetch, lines
from tests.helpers.hub_server import TOKEN, Repository

COMMIT = "c" * 40


def test_dataset_is_downloaded(tmp_path, monkeypatch, hub, capsys):
    fetch(tmp_path, monkeypatch)
    assert read_rows("data/raw/train.parquet") == texts(3000) + texts(5, "more")
    assert read_rows("data/raw/test.parquet") == texts(4, "test")
    assert pq.read_schema("data/raw/validation.parquet").names == ["text", "summary"]
    printed = capsys.readouterr().out
    assert f"set fetch.dataset.hub.revision: {COMMIT}\n" in printed
    assert "train 3005, validation 0, test 4 rows" in printed
    assert not any(Path("downloads").iterdir())  # all of it is now in data/raw
    assert not hub.gets("README.md")


@pytest.mark.parametrize("name", ["../train.jsonl", "/tmp/train.jsonl", "a/../../train.jsonl"])
def test_path_outside_the_folder_is_not_written(tmp_path, monkeypatch, hub, name):
    files = {"train.jsonl": lines(texts(3)), name: lines(texts(2, "planted"))}
    hub.repositories["datasets/lab/talks"] = Repository(files)
    fetch(tmp_path, monkeypatch)
    assert read_rows("data/raw/train.parquet") == texts(3)
    assert not hub.sent[name]


def test_pinned_revision_prints_no_advice(tmp_path, monkeypatch, hub, capsys):
    fetch(tmp_path, monkeypatch, **{"hub.revision": COMMIT})
    assert "to get the same files every time" not in capsys.readouterr().out


def test_shards_of_dialogstudio_are_read(tmp_path, monkeypatch, hub):
    row = {"original dialog id": "x", "log": [{"user utterance": "hi", "system response": "yes"}]}
    shards = {
        f"dialogue_summarization/{name}/{split}/dialogues_{n}.json": json.dumps(
            {f"{name}--{split}--{n}": row}
        ).encode()
        for name in ("TweetSumm", "SAMSum")
        for split in ("train", "val", "test")
        for n in (1, 2)
    }
    shards["dialogue_summarization/TweetSumm/converted_examples.json"] = b"{}"
    hub.repositories["datasets/Salesforce/dialogstudio"] = Repository(shards, gated="in")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    edits = {"hub.id": "Salesforce/dialogstudio", "hub.config": "TweetSumm"}
    fetch(tmp_path, monkeypatch, source="dialogstudio", **edits)
    names = [row["new dialog id"] for row in read_rows("data/raw/validation.parquet")]
    assert names == ["TweetSumm--val--1", "TweetSumm--val--2"]
    assert {h.get("authorization") for _, _, h in hub.asked} == {f"Bearer {TOKEN}"}


def test_model_is_downloaded_without_pickles_and_code(tmp_path, monkeypatch, hub):
    edits = {"fetch.model.source": "hub", "fetch.model.hub.id": "lab/tiny"}
    fetch_model(project(tmp_path, monkeypatch, edits).fetch.model)
    written = {path.name: path.read_bytes() for path in Path("models/base").iterdir()}
    # By this its adapter names it; the file is the same whichever revision led to the commit.
    origin = json.loads(written.pop("origin.json"))
    assert origin == {"repository": "lab/tiny", "commit": COMMIT}
    kept = ("config.json", "tokenizer.json", "model.safetensors")
    assert written == {name: MODEL[name] for name in kept}
    assert not any(Path("downloads").iterdir())


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors"])
def test_incomplete_model_is_refused_before_a_download(tmp_path, monkeypatch, hub, lacking):
    hub.repositories["models/lab/tiny"] = Repository(
        {
            name: b"x"
            for name in ("config.json", "model.safetensors", "model.bin")
            if name != lacking
        }
    )
    edits = {"fetch.model.source": "hub", "fetch.model.hub.id": "lab/tiny"}
    message = r"lab/tiny holds no (config\.json|\.safetensors): "
    with pytest.raises(UserError, match=message):
        fetch_model(project(tmp_path, monkeypatch, edits).fetch.model)
    assert not hub.gets("resolve")
    assert not Path("models/base").exists()


def test_token_is_sent_only_to_the_hub(tmp_path, monkeypatch, hub, capsys):
    hub.repositories["datasets/lab/talks"].gated = "in"
    hub.cuts[FIRST] = [10]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch(tmp_path, monkeypatch)
    assert hub.gets("/cdn/") and not any("authorization" in h for h in hub.gets("/cdn/"))
    assert TOKEN not in "".join(capsys.readouterr())
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert TOKEN.encode() not in file.read_bytes(), file


def test_renamed_column_is_named(tmp_path, monkeypatch, hub):
    from stages import clean

    columns = {f"clean.columns.{k}": v for k, v in (TEXT | {"references": "abstract"}).items()}
    fetch(tmp_path, monkeypatch)
    project(tmp_path, monkeypatch, columns)
    with pytest.raises(
        UserError, match=r"has no column 'abstract': set clean\.columns\.references"
    ):
        clean.main()


@pytest.mark.parametrize(
    ("names", "config", "expected"),
    [
        (["train.csv", "validation.csv", "test.csv"], None, ("train.csv", "validation.csv")),
        (["d/train/0.parquet", "d/val/0.parquet"], "d", ("d/train/0.parquet", "d/val/0.parquet")),
        (["a/train-0.parquet", "b/train-0.parquet"], "b", ("b/train-0.parquet", None)),
        (["train.json", "train.jsonl", "dev.jsonl"], None, ("train.jsonl", "dev.jsonl")),
        (["a_train.csv", "training.csv", "a_test.csv"], None, ("a_train.csv", None)),
    ],
)
def test_files_of_a_split_are_found_by_name(names, config, expected):
    found = split_files(names, config)
    assert found["train"] == [expected[0]]
    assert found["validation"] == [expected[1]] * (expected[1] is not None)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["talks.py", "README.md"], "set fetch.dataset.hub.revision: refs/convert/parquet"),
        (
            ["1.0/train.csv", "2.0/train.csv"],
            "train is in several folders, 1.0, 2.0: set fetch.dataset.hub",
        ),
    ],
)
def test_missing_or_ambiguous_files_are_refused(names, message):
    with pytest.raises(UserError, match=re.escape(message)):
        split_files(names, None)
