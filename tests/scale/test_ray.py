"""An archive on a cluster of three nodes, one of which is lost in the middle."""

import json
import subprocess
import sys
import time

import pytest
from ray.cluster_utils import Cluster

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
