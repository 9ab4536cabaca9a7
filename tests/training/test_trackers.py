"""Trackers: a missing one is said before anything starts, one that fails does not end a training."""

from types import SimpleNamespace

import pytest

from stages.common.cli import UserError
from stages.training import trackers as module
from stages.training.trackers import PACKAGES, Tracker, check_installed, trackers
from tests.helpers.project import tiny_params


def run_section(report_to: object):
    from stages.params import Run

    return Run(**tiny_params()["run"] | {"report_to": report_to})


def test_names_are_one_or_several_and_none_by_default():
    assert trackers(run_section(tiny_params()["run"]["report_to"])) == []
    assert trackers(run_section("wandb")) == ["wandb"]
    assert trackers(run_section(["mlflow", "wandb", "mlflow"])) == ["mlflow", "wandb"]


def test_a_missing_package_is_one_sentence_with_its_pip_line(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    for name, package in PACKAGES.items():
        with pytest.raises(UserError, match=f"names {name}.*`pip install {package}`"):
            check_installed(run_section(["none", name]))
    check_installed(run_section("none"))


def test_the_stage_says_it_before_it_reads_data(forks, prepared):
    prepared.params(**{"run.report_to": ["tensorboard", "dvclive"]})
    ended = forks.run(prepared.root, "finetune")
    assert ended.status == 1 and "run.report_to names" in ended.said
    assert "dialogues" not in ended.said and "Traceback" not in ended.said


class Broken:
    """An integration whose server goes away."""

    def on_train_begin(self, *_, **__):
        pass

    def on_log(self, *_, **__):
        raise ConnectionError("no route\nto host")


def test_a_tracker_that_fails_on_the_way_is_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "integration", lambda name: Broken)
    args = SimpleNamespace(run_name="x")
    tracker = Tracker("trackio")
    tracker.on_train_begin(args, None, None)
    tracker.on_log(args, None, None)
    tracker.on_log(args, None, None)
    tracker.on_train_end(args, None, None)
    said = capsys.readouterr().out.splitlines()
    assert said == ["finetune: trackio has this run as x", "finetune: trackio gets no more of this run: no route"]  # fmt: skip


def test_one_that_cannot_start_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def broken(name: str):
        raise RuntimeError("no key\nTraceback")

    monkeypatch.setattr(module, "integration", broken)
    with pytest.raises(UserError, match=r"run\.report_to: mlflow cannot start: no key$"):
        Tracker("mlflow").on_train_begin(SimpleNamespace(run_name="x"), None, None)


def test_only_the_first_process_reports(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module.processes, "is_first", lambda: False)
    tracker = Tracker("mlflow")
    tracker.on_train_begin(SimpleNamespace(run_name="x"), None, None)
    tracker.on_log(None, None, None)
    assert tracker.callback is None and not list(tmp_path.iterdir())
