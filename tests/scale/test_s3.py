"""An archive in an object store, and its summaries there: moto's server speaks the protocol of S3."""

import json
import subprocess
import sys
import time

import pytest
from s3fs import S3FileSystem

from tests.helpers.serving import free_port
from tests.tools.test_archive import contents, row, summaries, write_archive

MORE = 30  # small files


@pytest.fixture(scope="module")
def store():
    """The environment that leads to a store with the buckets `chats` and `written`."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                for bucket in ("chats", "written"):
                    client(environment).mkdir(bucket)
                break
            except OSError:
                assert time.monotonic() < deadline, "the store does not start"
                time.sleep(0.1)
        yield environment
    finally:
        server.terminate()
        server.wait()


def client(environment: dict[str, str]) -> S3FileSystem:
    return S3FileSystem(
        key=environment["AWS_ACCESS_KEY_ID"],
        secret=environment["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        use_listings_cache=False,
        skip_instance_cache=True,
    )


def test_killed_in_the_middle_nothing_is_lost(reproduced, store, tmp_path):
    write_archive(tmp_path / "chats")
    for n in range(30, 30 + MORE):
        (tmp_path / f"chats/{n}.jsonl").write_text(json.dumps(row(n)) + "\n")
    s3 = client(store)
    s3.put(f"{tmp_path}/chats/", "chats/", recursive=True)
    s3.touch("chats/2023/")  # the marker of a folder, as consoles make it
    command = ["-m", "tools.summarize", "s3://chats", "--out", "s3://written/a"]
    run = subprocess.Popen(
        [sys.executable, *command],
        cwd=reproduced.root,
        env=reproduced.environment | store,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(s3.glob("written/a/**/*.parquet")) < 2 and run.poll() is None:
        time.sleep(0.01)
    run.kill()
    run.wait()
    there = len(s3.glob("written/a/**/*.parquet"))
    assert 2 <= there < 3 + MORE, "it was killed too late"
    done = reproduced.python(*command, **store)
    assert f"{there} of {3 + MORE} files are summarised already" in done.stdout
    local = ["-m", "tools.summarize", str(tmp_path / "chats"), "--out", str(tmp_path / "local")]
    reproduced.python(*local)
    s3.get("written/a/", f"{tmp_path}/out/", recursive=True)
    assert len(summaries(tmp_path / "out")) == 30 + MORE
    assert contents(tmp_path / "out") == contents(tmp_path / "local")


@pytest.mark.parametrize(
    ("source", "out", "said"),
    [
        ("s3://other", "s3://written/b", "s3://other cannot be listed: FileNotFoundError"),
        ("a.jsonl", "s3://other/b", "s3://other/b cannot be written: FileNotFoundError"),
        ("a.jsonl", "s3://", "s3:// cannot be listed"),
    ],
)
def test_a_bucket_that_is_not_there_is_one_sentence(source, out, said, reproduced, store, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(row(0)) + "\n")
    source = source if "://" in source else str(tmp_path / source)
    done = reproduced.python("-m", "tools.summarize", source, "--out", out, check=False, **store)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}") and done.stderr.count("\n") == 1


def test_a_store_that_does_not_answer_is_one_sentence(reproduced, store, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(row(0)) + "\n")
    command = ["-m", "tools.summarize", str(tmp_path / "a.jsonl"), "--out", "s3://written/b"]
    gone = store | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    done = reproduced.python(*command, check=False, **gone)
    assert done.returncode == 1
    assert done.stderr.startswith("error: s3://written/b cannot be read: EndpointConnectionError")
