"""An archive on a cluster of three nodes, one of which is lost in the middle."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from tests.helpers.serving import free_port
from tests.tools.test_archive import contents, row, summaries

FILES, ROWS = 24, 20


@pytest.fixture
def cluster():
    """A head without work to do, and three nodes."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.workers = [cluster.add_node(num_cpus=1) for _ in range(3)]
    yield cluster
    cluster.shutdown()


def test_a_lost_node_costs_nothing(reproduced, cluster, tmp_path):
    for n in range(FILES):
        lines = "".join(json.dumps(row(n * ROWS + i)) + "\n" for i in range(ROWS))
        (tmp_path / f"{n:02}.jsonl").write_text(lines)
    command = [sys.executable, "-m", "tools.summarize", str(tmp_path / "*.jsonl"), "--out"]
    reproduced.python(*command[1:], str(tmp_path / "local"))
    out = tmp_path / "ray"
    by_ray = ["--engine", "ray", "--address", cluster.address]
    run = subprocess.Popen(
        [*command, str(out), *by_ray],
        cwd=reproduced.root,
        env=reproduced.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 200
    while len(list(out.rglob("*.parquet"))) < 2 and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cluster.remove_node(cluster.workers[1], allow_graceful=False)
    there = len(list(out.rglob("*.parquet")))
    assert there < FILES, "it was lost too late"
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert f"{FILES * ROWS} conversations summarised, {FILES} of {FILES} files" in said
    assert set(summaries(out)) == {f"{n:03}" for n in range(FILES * ROWS)}
    assert contents(out) == contents(tmp_path / "local")


def test_a_cluster_that_is_not_there(reproduced, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(row(0)) + "\n")
    command = ["-m", "tools.summarize", str(tmp_path), "--out", str(tmp_path / "out")]
    for address, why in (("127.0.0.1:9", "refused"), ("nonsense", "Invalid")):
        by_ray = ["--engine", "ray", "--address", address]
        done = reproduced.python(*command, *by_ray, check=False)
        assert done.returncode == 1
        assert f"error: --engine ray: no cluster of Ray at '{address}'" in done.stderr
        assert why in done.stderr and "Traceback" not in done.stderr


def test_a_cluster_that_asks_for_a_token(reproduced, tmp_path):
    """As `ray start` does where there is one: who does not send it is told how to."""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("0123456789abcdef" * 4)
    (tmp_path / "a.jsonl").write_text(json.dumps(row(0)) + "\n")
    ray = Path(sys.executable).with_name("ray")
    options = "--num-cpus 1 --include-dashboard false --disable-usage-stats --block"
    head = subprocess.Popen(
        [ray, "start", "--head", "--port", str(free_port()), *options.split()],
        env=os.environ | {"HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        address = next(line for line in head.stdout if "--address=" in line).split("'")[1]
        out = tmp_path / "out"
        command = ["-m", "tools.summarize", str(tmp_path / "a.jsonl"), "--out", str(out)]
        command += ["--engine", "ray", "--address", address]
        refused = reproduced.python(*command, check=False, HOME=str(tmp_path))
        assert refused.returncode == 1
        assert "set RAY_AUTH_MODE=token if the cluster asks for a token" in refused.stderr
        reproduced.python(*command, HOME=str(tmp_path), RAY_AUTH_MODE="token")
        assert set(summaries(out)) == {"000"}
    finally:
        head.terminate()
        head.wait()


def test_what_fails_on_the_cluster_is_one_sentence(reproduced, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (tmp_path / "a.jsonl").write_text(json.dumps(row(0)) + "\n")
    command = ["-m", "tools.summarize", str(tmp_path / "a.jsonl"), "--engine", "ray", "--out"]

    def refused(out: str, *options: str) -> str:
        done = reproduced.python(
            *command, str(tmp_path / out), *options, check=False, HOME=str(home)
        )
        assert done.returncode == 1
        *_, last = done.stderr.splitlines()  # before it may stand what a machine says itself
        assert last.startswith("error: --engine ray: ")
        return last

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    by_address = ["--address", cluster.address]
    try:
        assert "no machine of the cluster has cores or a GPU" in refused("a", *by_address)
        with monkeypatch.context() as lacking:  # a machine without one of the packages
            (tmp_path / "peft.py").write_text("raise ModuleNotFoundError('peft is not here')")
            lacking.setenv("PYTHONPATH", str(tmp_path))
            cluster.add_node(num_cpus=1)
        (home / ".ray").mkdir(parents=True)  # of another cluster
        (home / ".ray/auth_token").write_text("0123456789abcdef" * 4)
        assert "RAY_AUTH_MODE=token if the cluster asks for a token, and disabled" in refused("b")
        said = refused("c", *by_address)
        assert "on the cluster: ModuleNotFoundError: peft is not here (" in said
    finally:
        cluster.shutdown()
