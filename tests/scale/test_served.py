"""`transformers serve` has the exported model: its summaries are those of the model in process."""

import subprocess
import sys
import time

import pytest

from tests.helpers.serving import free_port, serve, wait_for
from tests.tools.test_archive import contents, summaries, write_archive


@pytest.fixture(scope="module")
def exported(reproduced):
    """The project in fp32, its tuned model exported."""
    reproduced.params(**{"model.precision": "fp32"})
    reproduced.python("-m", "stages.generate", "tuned")
    reproduced.python("-m", "tools.export", "exported", "--dtype", "fp32")
    return reproduced


def test_a_server_that_dies_and_comes_back_writes_what_the_model_here_writes(exported, tmp_path):
    write_archive(tmp_path / "chats")
    port = free_port()
    command = ["-m", "tools.summarize", str(tmp_path / "chats"), "--out"]
    exported.python(*command, str(tmp_path / "local"))
    served = ["--server", f"http://127.0.0.1:{port}", "--model", "exported", "--concurrency", "1"]
    first = serve(exported, port)
    wait_for(port)
    run = subprocess.Popen(
        [sys.executable, *command, str(tmp_path / "out"), *served],
        cwd=exported.root,
        env=exported.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not list((tmp_path / "out").rglob("*.parquet")) and run.poll() is None:
            time.sleep(0.01)
    finally:
        first.kill()
        first.wait()
    assert run.poll() is None, "it died too late"
    second = serve(exported, port)
    try:
        out, said = run.communicate()
    finally:
        second.kill()
        second.wait()
    assert run.returncode == 0, out + said
    assert "does not answer" in said and "is asked again" in said
    assert summaries(tmp_path / "out") == summaries(tmp_path / "local")
    rejected = "a.jsonl.rejected.jsonl"
    assert contents(tmp_path / "out")[rejected] == contents(tmp_path / "local")[rejected]


def test_generate_scores_what_is_served(exported):
    file = exported.root / "data/summaries/tuned.jsonl"
    here = file.read_bytes()
    port = free_port()
    settings = {"model": "exported", "concurrency": 8, "patience_minutes": 3}
    exported.params(**{"generate.server": {"url": f"http://127.0.0.1:{port}/v1"} | settings})
    server = serve(exported, port)
    try:
        file.unlink()
        said = exported.python("-m", "stages.generate", "tuned").stdout
    finally:
        server.kill()
        server.wait()
    assert f"summaries by tuned on http://127.0.0.1:{port}/v1" in said
    assert file.read_bytes() == here
