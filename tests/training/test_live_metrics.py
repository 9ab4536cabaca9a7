"""Who looks while training goes on sees the metrics so far, by DVC's own commands."""

import json
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil

from stages.training import metrics
from tests.helpers.project import Project


def seen(project: Project, *command: str) -> dict:
    return json.loads(project.dvc(*command, "--json").stdout)


def test_dvc_shows_the_losses_of_a_training_that_goes_on(prepared):
    prepared.params(**{"finetune.num_train_epochs": 10_000, "finetune.patience": 10_000})
    files = ("finetune.json", "plots/train_loss.csv", "plots/validation_loss.csv")
    run = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--single-item", "finetune"],
        cwd=prepared.root,
        env=prepared.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while run.poll() is None and not file_has(prepared, "finetune.json", "validation_loss"):
            time.sleep(0.05)
        shown = seen(prepared, "metrics", "show")[""]["data"]["metrics/finetune.json"]["data"]
        plots = seen(prepared, "plots", "show")["data"]["Loss"]
        experiments = seen(prepared, "exp", "show")[0]["data"]["metrics"]
        assert run.poll() is None, "it ended too soon"
    finally:
        for process in psutil.Process(run.pid).children(recursive=True):
            process.kill()  # DVC alone would leave its stage running
        run.kill()
        run.wait()
    assert shown.keys() == {"in_progress", "validation_loss", "train_loss", "steps", "epochs"}
    assert 0 < shown["epochs"] < 10_000
    points = [point for plot in plots for point in plot["content"]["data"]["values"]]
    assert len(points) > 1 and all(float(point["loss"]) > 0 for point in points)
    assert experiments["metrics/finetune.json"]["data"]["validation_loss"] > 0
    assert all((prepared.root / "metrics" / file).exists() for file in files)


def file_has(project: Project, name: str, key: str) -> bool:
    file = project.root / "metrics" / name
    return file.exists() and key in json.loads(file.read_text())  # whole at any moment


def test_metrics_so_far_are_weighted_by_steps():
    log = [
        {"step": 2, "loss": 4.0},
        {"step": 2, "eval_loss": 3.5},
        {"step": 8, "loss": 2.0},
        {"step": 8, "eval_loss": 3.75},
    ]
    state = SimpleNamespace(log_history=log, global_step=8, epoch=0.5)
    assert metrics.so_far(state) == {
        "validation_loss": 3.5, "train_loss": 2.5, "steps": 8, "epochs": 0.5
    }  # fmt: skip
    assert metrics.curves(state) == {"train": [(2, 4.0), (8, 2.0)], "validation": [(2, 3.5), (8, 3.75)]}  # fmt: skip
    begun = SimpleNamespace(log_history=[], global_step=0, epoch=0.0)
    assert metrics.so_far(begun) == {"steps": 0, "epochs": 0.0}
