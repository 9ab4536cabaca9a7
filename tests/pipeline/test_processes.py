"""Several processes, started by torchrun, make what one process makes."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.helpers.faults import signal_at
from tests.helpers.project import Project
from tests.helpers.serving import free_port

TWO = "torchrun --nproc_per_node 2"
SETTINGS = {
    "model.precision": "fp32",
    "finetune.learning_rate": 0.01,
    "finetune.num_train_epochs": 8,
    "finetune.per_device_train_batch_size": 5,  # the last step of an epoch has two dialogues
    "finetune.ranking.candidates": 3,
    "generate.batch_size": 2,
}
RESUMED = "finetune: resuming from models/checkpoints/"


@pytest.fixture(scope="module")
def alone(prepared_once, tmp_path_factory) -> Project:
    """A project that one process has trained and generated in."""
    root = tmp_path_factory.mktemp("alone") / "project"
    shutil.copytree(prepared_once, root)
    project = Project(root)
    project.params(**SETTINGS)
    project.python("-m", "stages.finetune")
    project.python("-m", "stages.generate", "tuned")
    return project


@pytest.fixture
def together(prepared) -> Project:
    prepared.params(**SETTINGS, **{"run.launch": TWO})
    return prepared


def losses(project: Project, split: str) -> list[float]:
    lines = (project.root / f"metrics/plots/{split}_loss.csv").read_text().splitlines()[1:]
    return [float(line.split(",")[1]) for line in lines]


def weights(project: Project) -> dict[str, torch.Tensor]:
    return load_file(project.root / "models/adapter/adapter_model.safetensors")


def agree(project: Project, alone: Project) -> None:
    for split in ("train", "validation"):
        assert losses(project, split) == pytest.approx(losses(alone, split), abs=2e-5)
    theirs = weights(alone)
    for name, tensor in weights(project).items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-4, rtol=1e-3)


def workers(project: Project) -> list[psutil.Process]:
    """The processes that torchrun started in the project, in the order of their ranks."""
    found = {}
    for process in psutil.process_iter():
        try:
            ours = process.cwd() == str(project.root) and "stages.finetune" in process.cmdline()
            rank = process.environ().get("RANK")
        except psutil.Error:
            continue
        if ours and rank is not None:
            found[rank] = process
    return [found[rank] for rank in sorted(found)]


def started(project: Project, until: Callable[[], object] | None = None) -> subprocess.Popen:
    """A training of many steps, once its first checkpoint is there or what is awaited is."""
    project.params(**{"run.checkpoint_minutes": 1e-6})
    checkpoints = "models/checkpoints/*/checkpoint-*/sha256.json"
    until = until or (lambda: list(project.root.glob(checkpoints)))
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.finetune"],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not until():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    return process


def two_nodes(project: Project, **environment: str) -> list[tuple[int, str]]:
    """Status and output of a training on two nodes with a process each, started by hand."""
    project.params(**{"run.launch": None})
    address = ("--master_addr", "127.0.0.1", "--master_port", str(free_port()))
    node = ("--nnodes", "2", "--nproc_per_node", "1", *address, "--node_rank")
    nodes = [
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *node, rank, "-m", "stages.finetune"],
            cwd=project.root,
            env=project.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in ("0", "1")
    ]
    said = [node.communicate()[0] for node in nodes]
    return [(node.returncode, text) for node, text in zip(nodes, said, strict=True)]


def test_two_processes_make_what_one_makes(together, alone):
    done = together.python("-m", "stages.finetune")
    assert done.stdout.splitlines()[0] == "2 processes work together"
    assert done.stdout.count("validation loss") == 1
    agree(together, alone)
    figures, theirs = (
        json.loads((project.root / "metrics/finetune.json").read_text())
        for project in (together, alone)
    )
    assert figures["tokens"] == theirs["tokens"] and figures["steps"] == theirs["steps"] == 24
    assert figures["validation_loss"] == pytest.approx(theirs["validation_loss"], abs=2e-5)
    # The same adapter, so that a candidate that the last digit decides is no difference here.
    shutil.rmtree(together.root / "models/adapter")
    shutil.copytree(alone.root / "models/adapter", together.root / "models/adapter")
    together.python("-m", "stages.generate", "tuned")
    summaries = "data/summaries/tuned.jsonl"
    assert (together.root / summaries).read_bytes() == (alone.root / summaries).read_bytes()
    assert not list((together.root / "data/summaries/.partial").iterdir())
    assert not list((together.root / "models/checkpoints").iterdir())


def test_two_nodes_of_one_process(together, alone):
    (first, said), (second, silent) = two_nodes(together)
    assert (first, second) == (0, 0), said + silent
    assert "2 processes work together" in said and "validation loss" not in silent
    agree(together, alone)


def test_a_killed_process_ends_all_and_the_training_resumes(together, alone):
    together.params(**{"run.checkpoint_minutes": 1e-6})
    kill = json.dumps([signal_at(step=5, number=signal.SIGKILL)])
    ended = together.python("-m", "stages.finetune", check=False, FAULTS_OF_1=kill)
    assert ended.returncode == 1, ended.stderr
    sentence = ended.stderr.splitlines()[-1]
    assert sentence.startswith(f"error: a process of `{TWO}` was killed or failed")
    assert not workers(together)
    # Another number of processes goes on with the same checkpoint.
    together.params(**{"run.launch": None})
    assert RESUMED in together.python("-m", "stages.finetune").stdout
    agree(together, alone)


def test_ctrl_c_while_the_processes_start_ends_them(together):
    starting = started(together, until=lambda: workers(together))
    starting.send_signal(signal.SIGINT)
    out, said = starting.communicate()
    assert starting.returncode == 130, out + said
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert not workers(together)


def test_ctrl_c_is_told_once_and_the_training_resumes(together):
    together.params(**{"finetune.num_train_epochs": 24, "finetune.patience": 24})  # long
    training = started(together)
    training.send_signal(signal.SIGINT)
    out, said = training.communicate()
    assert training.returncode == 130, out + said
    assert said.splitlines()[-1].startswith("error: interrupted at step ")
    assert said.count("error: ") == 1 and "Traceback" not in said
    assert not workers(together)
    together.params(**{"run.checkpoint_minutes": 10})  # from here on, one a step is only slow
    assert RESUMED in together.python("-m", "stages.finetune").stdout
    assert weights(together)


def test_an_error_of_all_is_one_sentence(together):
    together.params(**{"finetune.lora.target_modules": ["no_such_layer"]})
    done = together.python("-m", "stages.finetune", check=False)
    assert done.returncode == 1 and done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr and "no_such_layer" in done.stderr


@pytest.mark.parametrize(
    ("launch", "sentence"),
    [
        ("accelerate launch --cpu --num_processes 2", "starts one process alone"),
        ("no_such_launcher --nproc_per_node 2", "is no command that this machine has"),
    ],
)
def test_a_launcher_that_does_not_launch(together, launch, sentence):
    together.params(**{"run.launch": launch})
    done = together.python("-m", "stages.generate", "base", check=False)
    assert done.returncode == 1 and sentence in done.stderr
    assert not Path(together.root, "data/summaries/base.jsonl").exists()
