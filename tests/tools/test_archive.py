"""An archive of conversations is summarised file by file, and a stopped run goes on."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.common.cli import UserError
from tools.summarize.folder import ABOUT, Folder
from tools.summarize.shards import find_shards, local_copy


def row(number: int) -> dict:
    text = f"customer: parcel {number} is {'very ' * (number % 7)}late\nagent: sorry"
    return {"id": f"{number:03}", "conversation": text}


def write_archive(folder: Path) -> None:
    """Three tables of ten conversations each, below two folders, and what is none."""
    (folder / "2024").mkdir(parents=True)
    lines = "".join(json.dumps(row(n)) + "\n" for n in range(10))
    (folder / "a.jsonl").write_text(lines + "{oops\n")
    pq.write_table(pa.Table.from_pylist([row(n) for n in range(10, 20)]), folder / "2024/b.parquet")
    cells = "".join('{id},"{conversation}"\n'.format(**row(n)) for n in range(20, 30))
    (folder / "2024/c.CSV.gz").write_bytes(gzip.compress(f"id,conversation\n{cells}".encode()))
    (folder / "_SUCCESS").touch()
    (folder / "notes.md").write_text("no table")


def summaries(out: Path) -> dict[str, str]:
    """By id; each is there once."""
    rows = [r for file in sorted(out.rglob("*.parquet")) for r in pq.read_table(file).to_pylist()]
    found = {r["id"]: r["summary"] for r in rows}
    assert len(found) == len(rows)
    return found


def contents(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def archive(reproduced, tmp_path_factory) -> Path:
    """A folder with `chats`, and with `out`, their summaries."""
    folder = tmp_path_factory.mktemp("archive")
    write_archive(folder / "chats")
    done = reproduced.python(
        "-m", "tools.summarize", str(folder / "chats"), "--out", str(folder / "out")
    )
    assert "30 conversations summarised, 3 of 3 files" in done.stdout
    assert "1 files are no tables and left out" in done.stdout and "notes.md" in done.stdout
    return folder


def test_each_file_has_its_summaries_and_its_bad_rows(archive, reproduced):
    out = archive / "out"
    assert set(contents(out)) == {
        *(ABOUT, "a.jsonl.parquet", "a.jsonl.rejected.jsonl"),
        *("2024/b.parquet.parquet", "2024/c.CSV.gz.parquet"),
    }
    assert set(summaries(out)) == {f"{n:03}" for n in range(30)}
    (bad,) = map(json.loads, (out / "a.jsonl.rejected.jsonl").read_text().splitlines())
    assert bad["place"] == "line 11" and bad["row"] == "{oops"
    printed = reproduced.python("-m", "tools.summarize", str(archive / "chats/a.jsonl")).stdout
    alone = {r["id"]: r["tuned"] for r in map(json.loads, printed.splitlines())}
    assert alone.items() <= summaries(out).items()


def test_a_killed_run_goes_on_and_redoes_nothing(archive, reproduced, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tools.summarize", str(archive / "chats"), "--out", str(out)]
    run = subprocess.Popen(
        command, cwd=reproduced.root, env=reproduced.environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 100
    while not list(out.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.002)
    run.kill()
    run.wait()
    there = str(reproduced.root)
    while any(process.info["cwd"] == there for process in psutil.process_iter(["cwd"])):
        time.sleep(0.01)  # until its fork has ended, too
    times = {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet")}
    assert times
    done = reproduced.python(*command[1:])
    if len(times) < 3:  # else it was faster than the kill
        assert f"{len(times)} of 3 files are summarised already" in done.stdout
    assert contents(out) == contents(archive / "out")
    assert times == {file: file.stat().st_mtime_ns for file in times}


def test_other_settings_need_another_folder(archive, reproduced, tmp_path):
    out = shutil.copytree(archive / "out", tmp_path / "out")
    params = (reproduced.root / "params.yaml").read_text()
    reproduced.params(**{"generate.max_new_tokens": 5})
    try:
        done = reproduced.python(
            "-m", "tools.summarize", str(archive / "chats"), "--out", str(out), check=False
        )
    finally:
        (reproduced.root / "params.yaml").write_text(params)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "was begun with other settings (generate): name another folder" in done.stderr
    assert contents(out) == contents(archive / "out")


def test_a_broken_file_does_not_stop_the_others(reproduced, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "b.jsonl").write_text(json.dumps(row(1)) + "\n")
    out = tmp_path / "out"
    command = ["-m", "tools.summarize", str(tmp_path / "*.*"), "--out", str(out)]
    done = reproduced.python(*command, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: 1 of 2 files cannot be read: " in done.stderr and "a.parquet" in done.stderr
    assert set(summaries(out)) == {"001"}


def test_sources_are_folders_patterns_and_urls(tmp_path):
    write_archive(tmp_path / "chats")
    every = {"a.jsonl", "2024/b.parquet", "2024/c.CSV.gz"}

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/chats"
    try:
        for source, expected in (
            (str(tmp_path / "chats"), every),
            (f"file://{tmp_path}/chats", every),
            (str(tmp_path / "chats/2024/*.gz"), {"c.CSV.gz"}),
            (str(tmp_path / "chats/**/*.parquet"), {"2024/b.parquet"}),
            (str(tmp_path / "chats/a.jsonl"), {"a.jsonl"}),
            (f"{url}/2024/*", {"b.parquet", "c.CSV.gz"}),
            (f"{url}/a.jsonl", {"a.jsonl"}),
        ):
            shards, _ = find_shards([source])
            assert {shard.name for shard in shards} == expected, source
            for shard in shards:
                with local_copy(shard) as path:
                    content = path.read_bytes()
                (there,) = (tmp_path / "chats").rglob(Path(shard.name).name)
                assert content == there.read_bytes()
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("none/here", "does not exist or holds no file"),
        ("none/*.jsonl", "does not exist or holds no file"),
        ("sftp3://host/chats", "no path or URL of a known kind"),
        ("http://127.0.0.1:9/chats/*", "cannot be listed"),
    ],
)
def test_a_source_that_is_not_there_is_one_sentence(source, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said) as error:
        find_shards([source])
    assert source.split(":")[0] in str(error.value) and "\n" not in str(error.value)


def test_two_files_of_one_name_are_refused(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").touch()
    with pytest.raises(UserError, match="would have one name"):
        find_shards([str(tmp_path / "x"), str(tmp_path / "y")])
    assert len(find_shards([str(tmp_path / "x"), str(tmp_path / "x/*.jsonl")])[0]) == 1


@pytest.mark.parametrize("url", ["memory://summaries-{}", "{}"])
def test_a_folder_is_on_a_disk_or_in_a_store(url, tmp_path):
    url = url.format(tmp_path / "out" if url == "{}" else os.getpid())
    folder, about = Folder(url), {"adapter": "x"}
    folder.start(about)
    folder.write("a/b.parquet", b"12")
    assert folder.names() == {ABOUT, "a/b.parquet"} and folder.read("a/b.parquet") == b"12"
    Folder(url).start(about)
    with pytest.raises(UserError, match="other settings"):
        folder.start({"adapter": "y"})
    if folder.local:
        assert not list((tmp_path / "out/.writing").iterdir())
    folder.fs.rm(folder.path(ABOUT))
    with pytest.raises(UserError, match="name an empty folder"):
        folder.start(about)
    fsspec.filesystem("memory").store.clear()
