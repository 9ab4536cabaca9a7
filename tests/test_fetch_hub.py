"""fetch: files of a hub, through its real client, from a server that fails as hubs fail."""

import hashlib
import io
import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_helpers import TEXT, leftovers, project, read_rows, texts
from hub_server import TOKEN, Hub, Repository

from stages.common import hub as hub_module
from stages.common.cli import UserError
from stages.common.hub import split_files
from stages.fetch import fetch_dataset, fetch_model

COMMIT = "c" * 40


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


TRAIN = parquet(texts(3000))
FILES = {
    "README.md": b"# Data",
    "data/train-00000-of-00002.parquet": TRAIN,
    "data/train-00001-of-00002.parquet": parquet(texts(5, "more")),
    "data/test-00000-of-00001.parquet": parquet(texts(4, "test")),
}
FIRST = "data/train-00000-of-00002.parquet"
MODEL = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model.safetensors": b"weights" * 1000,
    "pytorch_model.bin": b"pickle",
    "original/consolidated.00.safetensors": b"the same again",
    "consolidated.safetensors": b"the same again",
    "modeling_tiny.py": b"raise SystemExit",
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one dataset and one model; the client knows no other, and no token."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))
    monkeypatch.setattr(hub_module, "WAITS", (0, 0, 0))
    repositories = {"datasets/lab/talks": Repository(FILES), "models/lab/tiny": Repository(MODEL)}
    with Hub(repositories) as server:
        template = f"{server.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


def fetch(tmp_path, monkeypatch, **edits: object) -> None:
    """`fetch dataset` of lab/talks, whose settings under `fetch.dataset.` may be set otherwise."""
    settings = {"source": "hub", "hub.id": "lab/talks", "hub.config": None} | edits
    params = project(tmp_path, monkeypatch, {f"fetch.dataset.{k}": v for k, v in settings.items()})
    fetch_dataset(params.fetch.dataset)


def refused(tmp_path, monkeypatch, **edits: object) -> str:
    """The one sentence with which fetch ends, the data of before left as it was."""
    (tmp_path / "data/raw").mkdir(parents=True, exist_ok=True)
    (tmp_path / "data/raw/old").touch()
    with pytest.raises(UserError) as error:
        fetch(tmp_path, monkeypatch, **edits)
    assert [path.name for path in Path("data/raw").iterdir()] == ["old"]
    assert not leftovers()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_dataset_of_a_hub(tmp_path, monkeypatch, hub, capsys):
    fetch(tmp_path, monkeypatch)
    assert read_rows("data/raw/train.parquet") == texts(3000) + texts(5, "more")
    assert read_rows("data/raw/test.parquet") == texts(4, "test")
    assert pq.read_schema("data/raw/validation.parquet").names == ["text", "summary"]
    said = capsys.readouterr().out
    assert f"set fetch.dataset.hub.revision: {COMMIT}\n" in said
    assert "train 3005, validation 0, test 4 rows" in said
    assert not any(Path("downloads").iterdir())  # all of it stands in data/raw
    assert not hub.gets("README.md")


@pytest.mark.parametrize("name", ["../train.jsonl", "/tmp/train.jsonl", "a/../../train.jsonl"])
def test_path_that_leads_elsewhere_is_not_written(tmp_path, monkeypatch, hub, name):
    files = {"train.jsonl": lines(texts(3)), name: lines(texts(2, "planted"))}
    hub.repositories["datasets/lab/talks"] = Repository(files)
    fetch(tmp_path, monkeypatch)
    assert read_rows("data/raw/train.parquet") == texts(3)
    assert not hub.sent[name]


def test_pinned_revision_needs_no_advice(tmp_path, monkeypatch, hub, capsys):
    fetch(tmp_path, monkeypatch, **{"hub.revision": COMMIT})
    assert "to have the same every time" not in capsys.readouterr().out


def test_shards_of_dialogstudio(tmp_path, monkeypatch, hub):
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


def test_model_comes_without_pickles_and_code(tmp_path, monkeypatch, hub):
    edits = {"fetch.model.source": "hub", "fetch.model.hub.id": "lab/tiny"}
    fetch_model(project(tmp_path, monkeypatch, edits).fetch.model)
    written = {path.name: path.read_bytes() for path in Path("models/base").iterdir()}
    kept = ("config.json", "tokenizer.json", "model.safetensors")
    assert written == {name: MODEL[name] for name in kept}
    assert not any(Path("downloads").iterdir())


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors"])
def test_model_that_is_none_is_refused_before_a_download(tmp_path, monkeypatch, hub, lacking):
    hub.repositories["models/lab/tiny"] = Repository(
        {
            name: b"x"
            for name in ("config.json", "model.safetensors", "model.bin")
            if name != lacking
        }
    )
    edits = {"fetch.model.source": "hub", "fetch.model.hub.id": "lab/tiny"}
    said = r"lab/tiny holds no (config\.json|\.safetensors): "
    with pytest.raises(UserError, match=said):
        fetch_model(project(tmp_path, monkeypatch, edits).fetch.model)
    assert not hub.gets("resolve")
    assert not Path("models/base").exists()


def test_token_goes_to_the_hub_and_nowhere_else(tmp_path, monkeypatch, hub, capsys):
    hub.repositories["datasets/lab/talks"].gated = "in"
    hub.cuts[FIRST] = [10]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch(tmp_path, monkeypatch)
    assert hub.gets("/cdn/") and not any("authorization" in h for h in hub.gets("/cdn/"))
    assert TOKEN not in "".join(capsys.readouterr())
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert TOKEN.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("gated", "token", "edits", "said"),
    [
        (
            "in",
            None,
            {},
            r"lab/talks is gated: accept its terms at \S+/datasets/lab/talks, then set",
        ),
        ("in", "hf_old", {}, r"the hub does not accept your token, .*: set HF_TOKEN"),
        ("", "hf_old", {}, r"the hub does not accept your token"),
        ("", "hf_“smart”", {}, r"the token holds letters that no token has"),
        (
            "ask",
            TOKEN,
            {},
            r"your account has no access: accept its terms at \S+/datasets/lab/talks",
        ),
        (
            "",
            None,
            {"hub.revision": "gone"},
            r"no revision 'gone': see fetch\.dataset\.hub\.revision",
        ),
        (
            "",
            None,
            {"hub.id": "lab/no"},
            r"no dataset lab/no, or hides it: see fetch\.dataset\.hub\.id",
        ),
        ("", TOKEN, {"hub.id": "lab/no"}, r"no dataset lab/no, or hides it: see"),
        (
            "",
            None,
            {"hub.config": "en"},
            r"no .* a train split in a folder en: see fetch\.dataset\.hub",
        ),
    ],
)
def test_what_the_user_must_mend_is_said_at_once(
    tmp_path, monkeypatch, hub, gated, token, edits, said
):
    hub.repositories["datasets/lab/talks"].gated = gated
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    text = refused(tmp_path, monkeypatch, **edits)
    assert re.search(said, text), text
    assert not token or token not in text
    assert len(hub.asked) <= 3  # no second try


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_fault_that_passes_is_waited_for(tmp_path, monkeypatch, hub, capsys, status):
    slept = []
    monkeypatch.setattr(hub_module.time, "sleep", slept.append)
    hub.statuses = {"/revision/": [status], "/tree/": [status] * 2, "/cdn/": [status] * 3}
    hub.wait = "7"
    fetch(tmp_path, monkeypatch)
    assert len(read_rows("data/raw/train.parquet")) == 3005
    assert sum(seconds >= 7 for seconds in slept) == 6  # as long as the hub asks for
    assert f"the hub answered {status} for dataset lab/talks; trying" in capsys.readouterr().out


def test_fault_that_stays_ends_with_a_sentence(tmp_path, monkeypatch, hub):
    hub.statuses = {"/cdn/": [503] * 99}
    said = refused(tmp_path, monkeypatch)
    assert re.search("the hub answered 503 for dataset lab/talks: run again later", said)
    assert len(hub.gets("/cdn/")) == 4  # each of WAITS, and the first


def test_broken_download_goes_on_where_it_ended(tmp_path, monkeypatch, hub):
    size = len(TRAIN)
    hub.cuts[FIRST] = [1000] * 8  # more often than there are attempts, but each brings something
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == size
    asked = [h.get("range") for h in hub.gets(f"/cdn/{hashlib.sha256(TRAIN).hexdigest()}")]
    assert asked == [None, *(f"bytes={1000 * n}-" for n in range(1, 9))]
    assert len(read_rows("data/raw/train.parquet")) == 3005


def test_run_after_a_failure_goes_on_too(tmp_path, monkeypatch, hub):
    hub.cuts = {"data/train-00001-of-00002.parquet": [100, 0, 0, 0]}
    said = refused(tmp_path, monkeypatch)
    assert "run again" in said
    before = hub.sent[FIRST]
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == before == len(TRAIN)
    assert hub.sent["data/train-00001-of-00002.parquet"] == len(parquet(texts(5, "more")))


def test_server_that_ignores_ranges(tmp_path, monkeypatch, hub):
    hub.ranges, hub.cuts[FIRST] = False, [1000]
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == 1000 + len(TRAIN)
    assert len(read_rows("data/raw/train.parquet")) == 3005


@pytest.mark.parametrize("name", [FIRST, "data/test.jsonl"])
def test_spoilt_bytes_are_noticed(tmp_path, monkeypatch, hub, capsys, name):
    if name != FIRST:  # a file outside LFS has another kind of hash
        files = {"data/train.jsonl": lines(texts(3)), name: lines(texts(2, "test"))}
        hub.repositories["datasets/lab/talks"] = Repository(files)
    hub.spoilt[name] = 99
    said = refused(tmp_path, monkeypatch)
    assert f"{name} came with other bytes than the hub lists: run again" in said
    hub.spoilt[name] = 1
    fetch(tmp_path, monkeypatch)
    assert "came with other bytes" in capsys.readouterr().out


def test_no_network(tmp_path, monkeypatch, hub):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    said = refused(tmp_path, monkeypatch)
    assert re.fullmatch(
        r"http://127\.0\.0\.1:9 cannot be reached for dataset lab/talks \(.*refused.*\):"
        " check the network, run again",
        said,
    )


def test_offline_mode(tmp_path, monkeypatch, hub):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refused(tmp_path, monkeypatch).startswith("HF_HUB_OFFLINE forbids to fetch dataset")


def test_full_disk_is_named_and_the_rest_kept(tmp_path, monkeypatch, hub):
    import builtins

    full, write = True, builtins.open

    def small_disk(path, mode="r", *args, **kwargs):
        if full and str(path).endswith("test-00000-of-00001.parquet.part"):
            return write("/dev/full", "wb")
        return write(path, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", small_disk)
    said = refused(tmp_path, monkeypatch)
    assert "dataset lab/talks cannot be written to disk: No space left on device" in said
    full = False
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == len(TRAIN)


def test_read_only_folder(tmp_path, monkeypatch, hub):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads").chmod(0o555)
    if os.access(tmp_path / "downloads", os.W_OK):  # root may write anywhere: a file is in the way
        (tmp_path / "downloads").rmdir()
        (tmp_path / "downloads").touch()
    said = refused(tmp_path, monkeypatch)
    assert re.search(r"cannot be written to disk: (Not a directory|Permission denied)", said)


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
def test_files_of_a_split(names, config, expected):
    found = split_files(names, config)
    assert found["train"] == [expected[0]]
    assert found["validation"] == [expected[1]] * (expected[1] is not None)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["talks.py", "README.md"], "set fetch.dataset.hub.revision: refs/convert/parquet"),
        (["1.0/train.csv", "2.0/train.csv"], "train stands in 1.0, 2.0: set fetch.dataset.hub"),
    ],
)
def test_files_that_make_no_dataset(names, said):
    with pytest.raises(UserError, match=re.escape(said)):
        split_files(names, None)
