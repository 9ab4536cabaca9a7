"""clean on a cluster of two nodes writes what it writes on one machine."""

import json
import random

import pytest
from ray.cluster_utils import Cluster

ROWS = {"train": 50_000, "validation": 300, "test": 300}  # three batches of train
WORDS = [f"w{i}" for i in range(3000)]


@pytest.fixture(scope="module")
def cluster():
    """A head without work to do, and two nodes."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def write_talks(folder) -> None:
    """One row in ten says what another says, or nearly so, wherever that stands."""
    rng = random.Random(0)
    some = [rng.choices(WORDS, k=30) for _ in range(2000)]
    for split, count in ROWS.items():
        with open(folder / f"{split}.jsonl", "w", encoding="utf-8") as out:
            for n in range(count):
                words = rng.choices(WORDS, k=30) if rng.random() < 0.9 else [*rng.choice(some)]
                if rng.random() < 0.3:
                    words[rng.randrange(30)] = f"order #{rng.randrange(10**8)}"
                turns = [{"who": "customer", "said": " ".join(words)}]
                row = {"id": f"d{rng.randrange(count)}", "turns": turns, "summaries": [f"{n} é"]}
                out.write(json.dumps(row) + "\n")


def cleaned(project, check: bool = True) -> tuple[str, dict[str, bytes]]:
    done = project.python("-m", "stages.clean", check=check)
    folder = project.root / "data/clean"
    return done.stdout + done.stderr, {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_cluster_writes_what_one_machine_writes(project, cluster):
    project.warm = False
    write_talks(project.root / "corpus")
    project.python("-m", "stages.fetch", "dataset")
    here = cleaned(project)
    assert "joined: " in here[0] and " near-duplicate" in here[0] and "made unique: " in here[0]
    (project.root / "data/clean/train.parquet").unlink()
    project.params(**{"run.ray": cluster.address})
    assert cleaned(project) == here
    # What a user did wrong is said in the same words.
    project.params(**{"clean.columns.text": "spoken"})
    there = project.python("-m", "stages.clean", check=False)
    project.params(**{"run.ray": None})
    here = project.python("-m", "stages.clean", check=False)
    assert (there.returncode, there.stderr) == (here.returncode, here.stderr)
    assert here.returncode == 1 and "spoken" in here.stderr


def test_a_cluster_that_is_not_there_is_said(project):
    project.warm = False
    project.python("-m", "stages.fetch", "dataset")
    project.params(**{"run.ray": "127.0.0.1:9"})
    done = project.python("-m", "stages.clean", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: run.ray: no cluster of Ray at '127.0.0.1:9'")
    assert len(done.stderr.splitlines()) == 1
