"""Each tracker, installed and offline, has the losses of a training that it does not change."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from stages.training.trackers import PACKAGES
from tests.helpers.project import ROOT, Project, make_project, prepare

PLACE = ROOT / ".venv-trackers"
OFFLINE = {"WANDB_MODE": "offline", "PYTHONPATH": str(PLACE), "OMP_NUM_THREADS": "1"}


def finetune(project: Project, report_to: object, **environment: str) -> str:
    project.params(**{"run.report_to": report_to})
    ignored = {"WANDB_API_KEY", "MLFLOW_TRACKING_URI", "TENSORBOARD_LOGGING_DIR", "TRACKIO_DIR"}
    clean = {k: v for k, v in os.environ.items() if k not in ignored}
    done = subprocess.run(
        [sys.executable, "-m", "stages.finetune"],
        cwd=project.root,
        env=clean | OFFLINE | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def adapter(project: Project) -> str:
    content = (project.root / "models/adapter/adapter_model.safetensors").read_bytes()
    return hashlib.sha256(content).hexdigest()


def expected(project: Project) -> list[float]:
    """The training losses, as the project's own curve has them."""
    rows = csv.DictReader((project.root / "metrics/plots/train_loss.csv").open())
    return [float(row["loss"]) for row in rows]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_llama):
    """A project, and the adapter of its training without a tracker."""
    project = make_project(tmp_path_factory.mktemp("trackers") / "project", tiny_llama)
    prepare(project)
    finetune(project, "none")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "trained")
    return project, adapter(project)


def tensorboard(project: Project, name: str) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(project.root / "runs/tensorboard" / name))
    events.Reload()
    return [event.value for event in events.Scalars("train/loss")]


def mlflow(project: Project, name: str) -> list[float]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project.root}/runs/mlflow.db")
    found = client.get_experiment_by_name("conversation-summarizer")
    (run,) = client.search_runs([found.experiment_id])
    assert run.info.run_name == name and run.info.status == "FINISHED"
    return [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")]


def wandb(project: Project, name: str) -> list[float]:
    from wandb.proto import wandb_internal_pb2

    (file,) = (project.root / "runs/wandb").glob("offline-run-*/run-*.wandb")
    found, names = [], set()
    for content in log_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(content)
        names.add(record.run.display_name)
        for item in record.history.item:
            if (item.key or "/".join(item.nested_key)) == "train/loss":
                found.append(json.loads(item.value_json))
    assert name in names
    return found


def log_records(content: bytes) -> Iterator[bytes]:
    """Of LevelDB's log format: in blocks of 32 kB, parts with checksum, length and kind."""
    at, part = 7, b""
    while at + 7 <= len(content):
        if 2**15 - at % 2**15 < 7:  # a header never crosses the end of a block
            at += 2**15 - at % 2**15
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        part += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # complete, or its last part
            yield part
            part = b""


def trackio(project: Project, name: str) -> list[float]:
    import sqlite3

    with sqlite3.connect(project.root / "runs/trackio/conversation-summarizer.db") as database:
        rows = database.execute("SELECT metrics FROM metrics WHERE run_name = ?", [name]).fetchall()
    values = [json.loads(row[0]) for row in rows]
    return [row["train/loss"] for row in values if "train/loss" in row]


def dvclive(project: Project, name: str) -> list[float]:
    folder = project.root / "runs/dvclive" / name
    rows = csv.DictReader((folder / "plots/metrics/loss.tsv").open(), delimiter="\t")
    assert not (folder / "dvc.yaml").exists()
    assert not project.run("git", "for-each-ref", "refs/exps/").stdout
    return [float(row["loss"]) for row in rows]


@pytest.mark.parametrize("read", [tensorboard, mlflow, wandb, trackio, dvclive])
def test_a_tracker_has_the_losses_and_changes_nothing(trained, read, monkeypatch):
    project, before = trained
    tracker = read.__name__
    out = finetune(project, tracker)
    (line,) = [line for line in out.splitlines() if "has this run as" in line]
    name = line.rpartition(" ")[2]
    assert line == f"finetune: {tracker} has this run as {name}"
    assert adapter(project) == before
    changed = project.run("git", "status", "--porcelain").stdout.split()
    assert set(changed) <= {"M", "params.yaml", "metrics/finetune.json"}  # its seconds
    monkeypatch.syspath_prepend(PLACE)
    assert read(project, name) == pytest.approx(expected(project), abs=1e-5)


def test_several_at_once_and_an_experiments_name(trained):
    project, before = trained
    out = finetune(project, ["tensorboard", "dvclive"], DVC_EXP_NAME="fast-cat")
    assert "tensorboard has this run as fast-cat" in out and adapter(project) == before
    assert (project.root / "runs/dvclive/fast-cat/metrics.json").exists()


def test_a_ranking_is_a_run_of_its_own(trained, monkeypatch):
    project, _ = trained
    project.params(**{"finetune.ranking.candidates": 2})
    try:
        out = finetune(project, ["tensorboard", "wandb"], DVC_EXP_NAME="ranked")
    finally:
        project.params(**{"finetune.ranking.candidates": 0})
    assert "wandb has this run as ranked-ranking" in out
    monkeypatch.syspath_prepend(PLACE)
    assert tensorboard(project, "ranked-ranking") and tensorboard(project, "ranked")


def test_a_tracker_that_cannot_start_ends_the_run_in_one_sentence(trained):
    project, _ = trained
    with pytest.raises(
        AssertionError, match=r"error: run\.report_to: wandb cannot start: No API key"
    ):
        finetune(project, "wandb", WANDB_MODE="online", HOME=str(project.root / "nobody"))


def test_dvclive_leaves_an_experiment_of_dvc_alone(trained):
    project, before = trained
    project.params(**{"run.report_to": "dvclive"})
    project.run("git", "commit", "-qam", "dvclive")
    project.run(sys.executable, "-m", "dvc", "exp", "run", "-n", "live", "finetune", **OFFLINE)
    assert adapter(project) == before
    named = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/").stdout.split()
    assert [name.rpartition("/")[2] for name in named if "/exec/" not in name] == ["live"]
    assert (project.root / "runs/dvclive/live/plots/metrics/loss.tsv").exists()


def test_the_versions_that_a_message_names_are_those_tested_here():
    lines = (ROOT / "tests/trackers/requirements.txt").read_text().splitlines()
    assert set(PACKAGES.values()) < set(lines)
