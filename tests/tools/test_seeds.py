"""Trainings that differ in their seed alone are found, told from others, and compared together."""

import math
import shutil

import numpy as np
import pytest

from stages.common.cli import UserError
from stages.scoring.significance import pooled, welch_p
from tests.helpers.project import Project
from tests.tools.test_compare import (
    against_main,
    repository,  # noqa: F401
    save,
    write_lock,
    write_metrics,
)
from tools.compare.revision import commit
from tools.compare.runs import experiments, runs_of
from tools.seeds import summary

IDS = [f"d{i}" for i in range(30)]


def test_an_experiment_with_another_seed_is_a_run_of_the_same(reproduced, tmp_path):
    shutil.copytree(reproduced.root, tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project")
    project.dvc("exp", "run", "-S", "finetune.seed=43", "-n", "other-seed")
    out = project.python("-m", "tools.seeds", "HEAD").stdout
    assert "| tuned | mean | standard deviation | seed 42 | seed 43 |" in out
    assert "| bleu |" in out


def experiment(project: Project, name: str, seed: int, matches: int, **params: object) -> None:
    """Commit a run as DVC keeps an experiment of `main`, and go back."""
    base = project.run("git", "rev-parse", "main").stdout.strip()
    write_run(project, seed, matches, **params)
    save(project, "aside")
    sha = project.run("git", "rev-parse", "HEAD").stdout.strip()
    project.run("git", "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{name}", sha)
    project.run("git", "checkout", "-q", "main")
    project.run("git", "branch", "-qD", "aside")


def write_run(project: Project, seed: int, matches: int, **params: object) -> None:
    text = f"finetune: {{seed: {seed}, epochs: {params.get('epochs', 1)}}}\n"
    (project.root / "params.yaml").write_text(text)
    values = {id_: matches + i % 3 for i, id_ in enumerate(IDS)}
    write_metrics(project, values, {"tuned": {"bleu": float(matches), "name_precision": None}})
    code = {"path": "stages/score.py", "md5": params.get("md5", "a"), "hash": "md5"}
    adapter = {"path": "models/adapter", "md5": str(seed), "hash": "md5"}
    scored = adapter | {"md5": str(params.get("scored", seed))}
    write_lock(
        project,
        finetune={"cmd": "python -m stages.finetune", "outs": [adapter]},
        score={"cmd": "python -m stages.score", "deps": [code, scored]},
    )


@pytest.fixture
def runs(repository) -> Project:  # noqa: F811
    write_run(repository, 42, 10)
    save(repository)
    for seed, matches in ((43, 11), (44, 12)):
        experiment(repository, f"seed-{seed}", seed, matches)
    experiment(repository, "other-epochs", 45, 19, epochs=2)
    experiment(repository, "other-code", 46, 19, md5="b")
    experiment(repository, "seed-43-again", 43, 19)
    experiment(repository, "not-scored", 47, 19, scored=42)
    return repository


def test_runs_differ_in_nothing_but_the_seed(runs):
    found = runs_of(commit("main"), experiments())
    assert {seed: run.name for seed, run in found.items()} == {
        42: "main", 43: "seed-43", 44: "seed-44",
    }  # fmt: skip
    lines = summary(found)
    assert lines[0] == "| tuned | mean | standard deviation | seed 42 | seed 43 | seed 44 |"
    assert lines[2:] == ["| bleu | 11.00 | 1.00 | 10.00 | 11.00 | 12.00 |"]


def test_compare_takes_all_runs_and_both_tests(runs):
    base = commit("main")
    for seed, matches in ((42, 11), (43, 12)):
        write_run(runs, seed, matches, epochs=3)
        save(runs, f"changed-{seed}")
        if seed == 43:
            sha = runs.run("git", "rev-parse", "HEAD").stdout.strip()
            runs.run("git", "update-ref", f"refs/exps/{sha[:2]}/{sha[2:]}/again", sha)
            runs.run("git", "checkout", "-q", "changed-42")
    body = against_main()
    assert "Trainings: 3 before and 2 after" in body
    # Each dialogue gains, so over dialogues it is no chance, but seeds differ by as much.
    assert "not significant: seeds differ as much" in body
    assert len(runs_of(base, experiments())) == 3


def test_two_trainings_of_one_recipe_are_compared_without_its_other_runs(runs):
    write_run(runs, 47, 13)
    body = against_main()
    assert "One training a side" in body


def test_one_training_a_side_is_said(repository):  # noqa: F811
    write_run(repository, 42, 10)
    save(repository)
    write_run(repository, 42, 14)
    assert "One training a side" in against_main()


def test_a_revision_without_a_score_is_refused(repository):  # noqa: F811
    with pytest.raises(UserError, match="no score yet"):
        summary(runs_of(commit("main"), experiments()))


@pytest.mark.parametrize(("size", "quantile"), [(3, 2.7764451), (6, 2.2281389), (16, 2.0422725)])
def test_welch_agrees_with_the_table_of_students_t(size, quantile):
    """Equal sizes and variances have 2·size − 2 degrees of freedom; p is 0.05 at the quantile."""
    one = np.linspace(-1, 1, size)
    shift = quantile * math.sqrt(2 * np.var(one, ddof=1) / size)
    assert welch_p(list(one), list(one + shift)) == pytest.approx(0.05, abs=1e-5)
    assert welch_p([1.0], [2.0, 3.0]) is None
    assert welch_p([1.0, 1.0], [1.0, 1.0]) == 1 and welch_p([1.0, 1.0], [2.0, 2.0]) == 0


def test_sides_of_different_numbers_of_runs_weigh_the_same():
    runs = [{"a": (1, 10), "b": (2, 10)}] * 3
    assert pooled(runs, ["b", "a"], 2).tolist() == pooled(runs[:2], ["b", "a"], 3).tolist()
