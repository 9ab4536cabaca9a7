"""Sweeps on real DVC: a queue, and a guided search that is interrupted, killed and resumed."""

import csv
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
import yaml

from stages.common.cli import UserError
from tests.helpers.project import ROOT, Project
from tools.sweep.space import Sweep, check, override, read_sweep, short

SEARCH = {
    "name": "search",
    "trials": 2,
    "seed": 2,
    "random": 2,
    "prune_after": 1,
    "set": {"finetune.num_train_epochs": 40, "finetune.patience": 40},  # seconds
    "space": {
        "finetune.learning_rate": {"choices": [0.02, 1e-6]},
        "finetune.lora.r": {"low": 2, "high": 8},
    },
}


@pytest.fixture
def recorded(reproduced, tmp_path, monkeypatch) -> Project:
    """A copy of the reproduced project that records which stages ran."""
    shutil.copytree(reproduced.root, tmp_path / "project")
    (tmp_path / "ran").touch()
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    return Project(tmp_path / "project")


def ran(project: Project) -> Counter:
    lines = (project.root.parent / "ran").read_text().splitlines()
    return Counter(line for line in lines if line.startswith("stages."))


def experiments(project: Project) -> list[str]:
    refs = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    celery = ("refs/exps/celery", "refs/exps/exec", "refs/exps/stash", "refs/exps/apply")
    return sorted(Path(ref).name for ref in refs if not ref.startswith(celery))


def wait_for(condition, what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_queue_runs_only_the_stages_that_it_changes(recorded):
    grid = ["-S", "finetune.lora.r=4", "-S", "finetune.learning_rate=2e-5,1e-3"]
    recorded.dvc("exp", "run", "--queue", *grid, "finetune", "generate@base")
    recorded.dvc("queue", "start")
    wait_for(lambda: len(experiments(recorded)) == 2, "two experiments")
    # One of the two equals the result of `dvc repro`, so it needs no training.
    assert ran(recorded) == {"stages.finetune": 1}
    seen = set()
    for name in experiments(recorded):
        ref = recorded.run("git", "for-each-ref", "--format=%(refname)", f"refs/exps/**/{name}")
        text = recorded.run("git", "show", f"{ref.stdout.strip()}:params.yaml").stdout
        seen.add(float(yaml.safe_load(text)["finetune"]["learning_rate"]))
    assert seen == {2e-5, 1e-3}


def test_search_resumes_after_an_interrupt_and_a_kill(recorded):
    root = recorded.root
    (root / "sweep.yaml").write_text(yaml.safe_dump(SEARCH))
    command = [sys.executable, "-m", "tools.sweep"]

    def stop(with_signal: signal.Signals, when) -> tuple[int, str]:
        """Start the sweep and send it the signal once `when` is true of its output."""
        log = root.parent / f"log{with_signal}"
        with open(log, "w") as out:
            env = recorded.environment
            sweep = subprocess.Popen(command, cwd=root, env=env, stdout=out, stderr=out)
        wait_for(lambda: when(log.read_text()) or sweep.poll() is not None, "a trial")
        sweep.send_signal(with_signal)
        status = sweep.wait(60)
        return status, log.read_text()

    def left() -> list:
        found = []
        for process in psutil.process_iter():
            try:
                found += [process] if process.cwd().startswith(str(root)) else []
            except psutil.Error:
                continue
        return [*found, *root.rglob(".dvc/tmp/exps/standalone/tmp*")]

    def trains(run: int):
        return lambda _: ran(recorded)["stages.finetune"] == run

    status, output = stop(signal.SIGINT, trains(1))
    assert status == 130
    wait_for(lambda: not left(), "the end of all processes", 10)
    sentence = "error: interrupted: finished trials are kept, run again to resume"
    assert output.splitlines()[-1] == sentence
    status, killed = stop(signal.SIGKILL, trains(3))
    assert status == -signal.SIGKILL and left()
    done = recorded.python("-m", "tools.sweep", WARM_DVC="1")
    wait_for(lambda: not left(), "the end of all processes", 10)

    # The interrupted trial and the killed one were proposed again.
    def asked(text: str, number: int) -> str:
        return text.split(f"search-{number}: ")[1].splitlines()[0]

    assert asked(output, 0) == asked(killed, 1)
    assert asked(killed, 2) == asked(done.stdout, 3)
    table = list(csv.DictReader((root / "metrics/sweep.csv").open()))
    assert [(row["experiment"], row["state"]) for row in table] == [
        ("search-1", "complete"),
        ("search-3", "pruned"),
    ]
    assert [row["finetune.learning_rate"] for row in table] == ["0.02", "1e-06"]
    assert float(table[0]["best"]) == float(table[0]["validation_loss"])
    assert experiments(recorded) == ["search-1"]
    # Only training ran, the test split was not used, and the workspace did not change.
    assert set(ran(recorded)) == {"stages.finetune"}
    assert recorded.run("git", "status", "--porcelain").stdout.split() == [
        *("??", "metrics/sweep.csv"),
        *("??", "sweep.yaml"),
    ]

    # The best trial is applied as advised. After that, no trial is left to run.
    assert "dvc exp apply search-1; dvc repro" in done.stdout
    recorded.dvc("exp", "apply", "search-1")
    again = recorded.python("-m", "tools.sweep").stdout
    assert "2 of 2 trials done" in again and "search-4" not in again
    assert list(csv.DictReader((root / "metrics/sweep.csv").open())) == table
    recorded.params(**{"finetune.weight_decay": 0.5})
    other = recorded.python("-m", "tools.sweep", check=False)
    assert other.returncode == 1 and "Traceback" not in other.stderr
    assert "params.yaml changed since the study search began" in other.stderr


def test_sweep_ends_if_its_first_trial_fails(recorded):
    search = SEARCH | {"set": {"fetch.dataset.path": "nowhere"}}
    (recorded.root / "sweep.yaml").write_text(yaml.safe_dump(search))
    done = recorded.python("-m", "tools.sweep", check=False)
    assert done.returncode == 1 and "nowhere" in done.stderr
    assert "error: search-0 failed, and no trial before it did better" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"space": {"finetune.lora.rank": {"low": 1, "high": 2}}}, "rank is no key of params.yaml"),
        ({"space": {"finetune.lora": {"choices": [1]}}}, "finetune.lora is no key of params.yaml"),
        ({"space": {"generate.num_beams": {"choices": [1]}}}, "does not change the validation"),
        (
            {"space": {"finetune.ranking.dialogues": {"low": 0.1, "high": 1}}},
            "does not change the validation",
        ),
        ({"space": {"fetch.model.path": {"choices": ["a", "b"]}}}, "path: .* do not compare"),
        ({"space": {"clean.holdout": {"low": 0.1, "high": 0.2}}}, "holdout: .* do not compare"),
        ({"space": {"finetune.lora.r": {"low": 0, "high": 2}}}, "r cannot be 0: "),
        ({"space": {"finetune.lora.r": {"low": 3, "high": 2}}}, r"space.finetune.lora.r: .*low"),
        ({"space": {"finetune.lora.r": {"low": 3}}}, "give either `choices`, or `low` and `high`"),
        ({"set": {"finetune.num_train_epochs": -1}}, "finetune.num_train_epochs cannot be -1: "),
        ({"trials": 0}, "trials: "),
        ({"name": "a/b"}, "name: "),
        ({"naem": "a"}, "naem: "),
    ],
)
def test_wrong_sweep_file_is_refused(tmp_path, change, sentence):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(SEARCH | change))
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match=sentence):
        check(read_sweep(file), raw, file.name)


def test_sweep_file_of_the_project_is_valid():
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    sweep = read_sweep(ROOT / "sweep.yaml")
    assert set(check(sweep, raw, "sweep.yaml")) == set(sweep.space)
    assert override(raw, sweep.set) != raw


def test_numbers_in_exponent_notation_are_numbers():
    # PyYAML reads 2e-4 as a text.
    values = yaml.safe_load("{low: 2e-4, high: 1e-3, log: true}")
    sweep = Sweep.model_validate(SEARCH | {"space": {"finetune.learning_rate": values}})
    found = sweep.space["finetune.learning_rate"].distribution()
    assert (found.low, found.high, found.log) == (2e-4, 1e-3, True)
    assert short(0.000123456) == 0.000123 and short(3) == 3 and short("cosine") == "cosine"
