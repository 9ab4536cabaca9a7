"""One archive on clusters of one to three Ray nodes of a core each: how much faster is each?

    python -m benchmarks.ray_nodes --rows 60000 --files 60

The archive is that of `benchmarks.archive`; local is one thread. Seconds hold the start of the actors,
and not that of the cluster. All nodes are on this machine, so more of them than it has cores show
only what a node costs. Prints a row for local, then for one, two and three nodes, and fails where a
summary is not the local engine's.
"""

import argparse
import os
import random
import tempfile
from pathlib import Path

from ray.cluster_utils import Cluster

from benchmarks.archive import measure, prepare, print_head
from stages.common.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ray_nodes")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print_head()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        os.environ["OMP_NUM_THREADS"] = "1"
        project = prepare(Path(name), args)
        expected = measure(project, "local", "chats", args.files, 0, chance)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            os.environ["RAY_ADDRESS"] = cluster.address
            for nodes in (1, 2, 3):
                cluster.add_node(num_cpus=1)
                cluster.wait_for_nodes()
                found = measure(project, "ray", "chats", args.files, 0, chance)
                assert found == expected, f"other summaries on {nodes} nodes"
                (project.root / "ray-chats-0").rename(project.root / f"on-{nodes}")
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    run(main)
