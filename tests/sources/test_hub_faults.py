"""fetch: a server that fails as hubs fail; what came is kept, and one sentence says what to do."""

import hashlib
import os
import re

import pytest

from stages.sources import hub as hub_module
from tests.helpers.data import read_rows, texts
from tests.helpers.hub import FIRST, TRAIN, fetch, lines, parquet, refused
from tests.helpers.hub_server import TOKEN, Repository


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
        ("", "hf_“smart”", {}, r"the token has characters that are not allowed"),
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
            r"no .* the train split in a folder en: see fetch\.dataset\.hub",
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


def test_broken_download_is_resumed_where_it_ended(tmp_path, monkeypatch, hub):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)  # what came of a chunk is lost
    hub.cuts[FIRST] = [1000] * 8  # more often than there are attempts, but each brings something
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == len(TRAIN)
    asked = [h.get("range") for h in hub.gets(f"/cdn/{hashlib.sha256(TRAIN).hexdigest()}")]
    assert asked == [None, *(f"bytes={1000 * n}-" for n in range(1, 9))]
    assert len(read_rows("data/raw/train.parquet")) == 3005


def test_run_after_a_failure_downloads_what_is_not_complete(tmp_path, monkeypatch, hub):
    second = "data/train-00001-of-00002.parquet"
    hub.cuts = {second: [0] * 99}
    said = refused(tmp_path, monkeypatch)
    assert "run again" in said
    hub.cuts, before = {}, hub.sent[FIRST]
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == before == len(TRAIN)
    assert hub.sent[second] == len(parquet(texts(5, "more")))


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
    assert f"{name} does not have the hash that the hub lists: run again" in said
    hub.spoilt[name] = 1
    fetch(tmp_path, monkeypatch)
    assert "does not have the hash that the hub lists" in capsys.readouterr().out


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
    assert refused(tmp_path, monkeypatch).startswith("HF_HUB_OFFLINE is set, so dataset")


def test_full_disk_is_named_and_complete_files_stay(tmp_path, monkeypatch, hub):
    from huggingface_hub import file_download

    full, http_get = True, file_download.http_get

    def small_disk(url, *args, **kwargs):
        if full and url.endswith("test-00000-of-00001.parquet"):
            raise OSError(28, "No space left on device")
        return http_get(url, *args, **kwargs)

    monkeypatch.setattr(file_download, "http_get", small_disk)
    said = refused(tmp_path, monkeypatch)
    assert "dataset lab/talks cannot be written to disk: No space left on device" in said
    full = False
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == len(TRAIN)


def test_file_of_another_size_is_asked_for_again(tmp_path, monkeypatch, hub, capsys):
    hub.short[FIRST] = 1
    fetch(tmp_path, monkeypatch)
    assert len(read_rows("data/raw/train.parquet")) == 3005
    assert "does not have the size that the hub lists; trying again" in capsys.readouterr().out


def test_read_only_folder(tmp_path, monkeypatch, hub):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads").chmod(0o555)
    if os.access(tmp_path / "downloads", os.W_OK):  # root may write anywhere: a file is in the way
        (tmp_path / "downloads").rmdir()
        (tmp_path / "downloads").touch()
    said = refused(tmp_path, monkeypatch)
    assert re.search(r"cannot be written to disk: (Not a directory|Permission denied)", said)
