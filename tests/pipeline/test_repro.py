"""What DVC does with the pipeline, in a real repository."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from stages.params import load
from tests.helpers.faults import signal_at
from tests.helpers.project import Project


def ran(output: str) -> set[str]:
    return {
        line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")
    }


@pytest.fixture
def clean_after(reproduced):
    """Undo what a test changed, with no stage run: the run cache has all of it."""
    yield reproduced
    reproduced.run("git", "checkout", "-q", ".")
    reproduced.run("git", "clean", "-fdq", "corpus")
    reproduced.dvc("checkout", "-q")


def test_repro_makes_everything_and_then_has_nothing_to_do(reproduced):
    again = reproduced.dvc("repro").stdout
    assert not ran(again) and "up to date" in again
    assert reproduced.dvc("status").stdout.strip() == "Data and pipelines are up to date."
    assert reproduced.run("git", "status", "--porcelain").stdout == ""
    tracked = reproduced.run("git", "ls-files").stdout.split()
    assert {"dvc.lock", "metrics/score.json", "metrics/finetune.json"} <= set(tracked)
    assert not [path for path in tracked if path.startswith(("data/raw", "models/base"))]


def test_flipping_a_param_and_back_runs_nothing_again(faster_once, tmp_path):
    said = (faster_once / "repro.log").read_text()
    assert ran(said) == {"finetune", "generate@tuned", "score"}
    shutil.copytree(faster_once / "project", tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project")
    project.run("git", "checkout", "-q", "main", "--", "params.yaml")
    assert not ran(project.dvc("repro").stdout)
    project.run("git", "diff", "--exit-code", "main", "--", "metrics", "dvc.lock")


def test_force_gives_the_same_adapter_and_scores(clean_after):
    project = clean_after
    adapter = project.root / "models/adapter"
    scores = project.root / "metrics/score.json"

    def made() -> tuple:
        return {file.name: file.read_bytes() for file in adapter.iterdir()}, scores.read_text()

    before = made()
    # The data stages are deterministic by their own tests; this is about training and after.
    said = project.dvc("repro", "--force", "--downstream", "finetune").stdout
    assert ran(said) == {"finetune", "generate@tuned", "score"}
    assert len(before[0]) == 4 and made() == before


def test_repro_goes_on_after_being_killed_in_training(clean_after):
    project = clean_after
    project.params(**{"finetune.num_train_epochs": 10, "finetune.learning_rate": 0.003})
    pause = json.dumps([signal_at(step=9, number=signal.SIGSTOP)])  # until it is killed
    repro = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "finetune"],
        cwd=project.root,
        env=project.environment | {"FAULTS_OF_0": pause},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoints = project.root / "models/checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*/checkpoint-*/sha256.json")):
        assert repro.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(repro.pid, signal.SIGKILL)
    repro.wait()
    assert not (project.root / "models/adapter").exists()
    said = project.dvc("repro", "finetune").stdout
    assert "resuming from" in said and not list(checkpoints.iterdir())
    assert (project.root / "models/adapter/adapter_model.safetensors").exists()


def test_the_dataset_and_the_model_are_fetched_apart(reproduced):
    corpus = reproduced.root / "corpus/test.jsonl"
    text = corpus.read_text()
    try:
        corpus.write_text(text + "\n")
        status = json.loads(reproduced.dvc("status", "--json").stdout)
    finally:
        corpus.write_text(text)
    assert set(status) == {"fetch@dataset"}


def test_what_changes_no_result_runs_nothing(clean_after):
    project = clean_after
    project.params(
        **{
            "run.checkpoint_minutes": 0.5,
            "run.dataloader_num_workers": 2,
            "card.base": "another/name",
            "card.data_license": "another",
        }
    )
    for name in ("params", "common/cli", "common/launch"):
        module = project.root / f"stages/{name}.py"
        module.write_text(module.read_text() + "# a comment\n")
    for folder in ("stages/training", "stages/common"):
        (project.root / folder / "__pycache__").mkdir(exist_ok=True)
        (project.root / folder / "__pycache__/another.pyc").write_bytes(b"compiled")
    status = json.loads(project.dvc("status", "--json").stdout)
    assert status == {}


def test_a_source_that_gives_the_same_data_ends_with_clean(clean_after):
    """The corpus as shards in DialogStudio's layout, under another name of `source`."""
    project = clean_after
    corpus = project.root / "corpus"
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        rows = [json.loads(line) for line in (corpus / f"{split}.jsonl").read_text().splitlines()]
        (corpus / name).mkdir()
        shard = json.dumps({f"talk--{i}": row for i, row in enumerate(rows)})
        (corpus / name / "dialogues_1.json").write_text(shard)
    project.params(**{"fetch.dataset.source": "bundled"})
    assert ran(project.dvc("repro").stdout) == {"fetch@dataset", "clean"}


def test_experiment_takes_numbers_as_users_write_them(clean_after):
    project = clean_after
    done = project.dvc("exp", "run", "-n", "tiny", "-S", "clean.max_malformed=2e-5", "clean")
    project.dvc("exp", "remove", "-q", "tiny")
    assert ran(done.stdout) == {"clean"}
    assert "max_malformed: 2e-05" in (project.root / "params.yaml").read_text()
    assert load(project.root / "params.yaml").clean.max_malformed == 2e-5


def test_error_of_a_stage_ends_repro_with_its_sentence(clean_after):
    project = clean_after
    project.params(**{"clean.columns.references": "nonesuch"})
    done = project.dvc("repro", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "has no column 'nonesuch': set clean.columns.references to one of" in said
    assert "Traceback" not in said


def test_metrics_and_plots_show_what_pull_requests_need(reproduced):
    shown = reproduced.dvc("metrics", "show", "--json").stdout
    assert {"tuned", "base", "first_two_turns", "constant"} <= set(
        json.loads(shown)[""]["data"]["metrics/score.json"]["data"]
    )
    reproduced.dvc("plots", "show", "-o", "dvc_plots")
    page = (reproduced.root / "dvc_plots/index.html").read_text()
    for plot in ("Loss", "BLEU by conversation length", "Summary length"):
        assert plot in page
