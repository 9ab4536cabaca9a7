"""fetch: when a hub fails, complete files are kept and one sentence says what to do."""

import hashlib
import os
import re

import pytest

from stages.sources import hub as hub_module
from tests.helpers.data import read_rows, texts
from tests.helpers.hub import FIRST, TRAIN, fetch, lines, parquet, refused
from tests.helpers.hub_server import TOKEN, Repository


@pytest.mark.parametrize(
    ("gated", "token", "edits", "message"),
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
def test_permanent_error_is_reported_without_a_retry(
    tmp_path, monkeypatch, hub, gated, token, edits, message
):
    hub.repositories["datasets/lab/talks"].gated = gated
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    text = refused(tmp_path, monkeypatch, **edits)
    assert re.search(message, text), text
    assert not token or token not in text
    assert len(hub.asked) <= 3  # no retry


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_temporary_error_is_retried(tmp_path, monkeypatch, hub, capsys, status):
    slept = []
    monkeypatch.setattr(hub_module.time, "sleep", slept.append)
    hub.statuses = {"/revision/": [status], "/tree/": [status] * 2, "/cdn/": [status] * 3}
    hub.wait = "7"
    fetch(tmp_path, monkeypatch)
    assert len(read_rows("data/raw/train.parquet")) == 3005
    assert sum(seconds >= 7 for seconds in slept) == 6  # as long as the hub asks for
    assert f"the hub answered {status} for dataset lab/talks; trying" in capsys.readouterr().out


def test_lasting_server_error_ends_with_a_sentence(tmp_path, monkeypatch, hub):
    hub.statuses = {"/cdn/": [503] * 99}
    message = refused(tmp_path, monkeypatch)
    assert re.search("the hub answered 503 for dataset lab/talks: run again later", message)
    assert len(hub.gets("/cdn/")) == 4  # the first call and a retry after each of WAITS


def test_broken_download_is_resumed(tmp_path, monkeypatch, hub):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)  # a chunk that is cut is lost
    hub.cuts[FIRST] = [1000] * 8  # more often than there are retries, but each gets further
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == len(TRAIN)
    asked = [h.get("range") for h in hub.gets(f"/cdn/{hashlib.sha256(TRAIN).hexdigest()}")]
    assert asked == [None, *(f"bytes={1000 * n}-" for n in range(1, 9))]
    assert len(read_rows("data/raw/train.parquet")) == 3005


def test_next_run_downloads_only_incomplete_files(tmp_path, monkeypatch, hub):
    second = "data/train-00001-of-00002.parquet"
    hub.cuts = {second: [0] * 99}
    message = refused(tmp_path, monkeypatch)
    assert "run again" in message
    hub.cuts, before = {}, hub.sent[FIRST]
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == before == len(TRAIN)
    assert hub.sent[second] == len(parquet(texts(5, "more")))


def test_download_restarts_if_the_server_ignores_ranges(tmp_path, monkeypatch, hub):
    hub.ranges, hub.cuts[FIRST] = False, [1000]
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == 1000 + len(TRAIN)
    assert len(read_rows("data/raw/train.parquet")) == 3005


@pytest.mark.parametrize("name", [FIRST, "data/test.jsonl"])
def test_corrupt_file_is_detected(tmp_path, monkeypatch, hub, capsys, name):
    if name != FIRST:  # files outside LFS have another kind of hash
        files = {"data/train.jsonl": lines(texts(3)), name: lines(texts(2, "test"))}
        hub.repositories["datasets/lab/talks"] = Repository(files)
    hub.corrupt[name] = 99
    message = refused(tmp_path, monkeypatch)
    assert f"{name} does not have the hash that the hub lists: run again" in message
    hub.corrupt[name] = 1
    fetch(tmp_path, monkeypatch)
    assert "does not have the hash that the hub lists" in capsys.readouterr().out


def test_unreachable_hub_is_named(tmp_path, monkeypatch, hub):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    message = refused(tmp_path, monkeypatch)
    assert re.fullmatch(
        r"http://127\.0\.0\.1:9 cannot be reached for dataset lab/talks \(.*refused.*\):"
        " check the network, run again",
        message,
    )


def test_offline_mode_is_named(tmp_path, monkeypatch, hub):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refused(tmp_path, monkeypatch).startswith("HF_HUB_OFFLINE is set, so dataset")


def test_full_disk_is_named_and_complete_files_are_kept(tmp_path, monkeypatch, hub):
    from huggingface_hub import file_download

    full, http_get = True, file_download.http_get

    def small_disk(url, *args, **kwargs):
        if full and url.endswith("test-00000-of-00001.parquet"):
            raise OSError(28, "No space left on device")
        return http_get(url, *args, **kwargs)

    monkeypatch.setattr(file_download, "http_get", small_disk)
    message = refused(tmp_path, monkeypatch)
    assert "dataset lab/talks cannot be written to disk: No space left on device" in message
    full = False
    fetch(tmp_path, monkeypatch)
    assert hub.sent[FIRST] == len(TRAIN)


def test_file_of_the_wrong_size_is_downloaded_again(tmp_path, monkeypatch, hub, capsys):
    hub.short[FIRST] = 1
    fetch(tmp_path, monkeypatch)
    assert len(read_rows("data/raw/train.parquet")) == 3005
    assert "does not have the size that the hub lists; trying again" in capsys.readouterr().out


def test_read_only_folder_is_named(tmp_path, monkeypatch, hub):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads").chmod(0o555)
    if os.access(tmp_path / "downloads", os.W_OK):  # root may write anywhere, so put a file there
        (tmp_path / "downloads").rmdir()
        (tmp_path / "downloads").touch()
    message = refused(tmp_path, monkeypatch)
    assert re.search(r"cannot be written to disk: (Not a directory|Permission denied)", message)
