"""The clone in which trials run has what DVC tracks, wherever the project is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.cli import UserError
from tests.helpers.project import Project
from tools.sweep.clone import make_clone, remove_clone, take_experiment
from tools.sweep.experiment import check_place

FOLDER = Path("sweeps/new.clone")
EXPERIMENT = f"refs/exps/aa/{'b' * 38}/found"


@pytest.fixture
def tracked(reproduced, tmp_path, monkeypatch) -> Project:
    """A project in a folder with a name of its own, whose data and base model DVC tracks."""
    project = Project(tmp_path / "Größe und Maß #1")
    shutil.copytree(reproduced.root, project.root)
    project.run("git", "rm", "-rq", "--cached", "corpus", "llama")
    project.dvc("add", "-q", "corpus", "llama")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "data and model")
    monkeypatch.chdir(project.root)
    for key, value in project.environment.items():
        monkeypatch.setenv(key, value)
    return project


def test_the_pipeline_runs_there(tracked):
    make_clone(FOLDER)
    for name in ("corpus", "llama"):
        there = {file.name: file.read_bytes() for file in (FOLDER / name).iterdir()}
        assert there == {file.name: file.read_bytes() for file in Path(name).iterdir()}
    command = [sys.executable, "-m", "dvc", "repro", "fetch@model"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stdout


def test_what_differs_from_its_dvc_file_is_no_silent_other_version(tracked):
    file = Path("corpus/train.jsonl")
    text = file.read_text()
    file.unlink()  # it may be a link into the cache
    file.write_text(text + text.splitlines()[0].replace("c1", "c99") + "\n")
    with pytest.raises(UserError, match=r"^corpus is not as its \.dvc file says"):
        make_clone(FOLDER)
    assert not FOLDER.exists()


def test_what_is_not_here_may_be_lacking(tracked):
    Path("ratings.csv").write_text("of colleagues\n")
    tracked.dvc("add", "-q", "ratings.csv")
    tracked.run("git", "add", "-A")
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("llama")
    Path("ratings.csv").unlink()
    tracked.dvc("commit", "-q", "-f", "corpus.dvc")
    make_clone(FOLDER)
    assert (FOLDER / "corpus/train.jsonl").exists()
    assert not (FOLDER / "ratings.csv").exists()


def test_a_dvc_file_that_dvc_does_not_read_is_no_obstacle(tracked):
    Path("inner/.dvc").mkdir(parents=True)  # another project
    Path("ignored").mkdir()
    for folder in ("inner", "ignored"):
        shutil.copy("corpus.dvc", folder)
    Path(".dvcignore").write_text(Path(".dvcignore").read_text() + "ignored\n")
    tracked.run("git", "add", "-A")
    tracked.run("git", "commit", "-qm", "files of others")
    Path("llama.dvc").unlink()
    make_clone(FOLDER)
    assert (FOLDER / "corpus/train.jsonl").exists()
    assert not (FOLDER / "llama.dvc").exists()


def test_a_project_inside_a_repository_has_its_trials_there(tracked):
    shutil.rmtree(".git")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a larger project"]):
        subprocess.run(["git", *command], cwd=tracked.root.parent, check=True)
    for _ in range(2):
        make_clone(FOLDER)
    assert (FOLDER / "corpus/train.jsonl").exists()
    subprocess.run(["git", "update-ref", EXPERIMENT, "HEAD"], cwd=FOLDER, check=True)
    take_experiment(FOLDER, "found")
    assert EXPERIMENT in tracked.run("git", "for-each-ref").stdout
    remove_clone(FOLDER)
    assert not list(FOLDER.parent.iterdir())


SETTINGS = ("noprefix=true", "external=false", "context=0", "relative=true", "colorMoved=zebra")


@pytest.mark.parametrize("setting", [*(f"diff.{one}" for one in SETTINGS), "color.ui=always"])
def test_changes_are_there_whatever_git_shows_a_user(tracked, setting):
    tracked.run("git", "config", *setting.split("="))
    tracked.params(**{"finetune.seed": 7})
    make_clone(FOLDER)
    assert (FOLDER / "params.yaml").read_bytes() == Path("params.yaml").read_bytes()


def test_a_folder_without_a_commit_is_refused(tracked):
    shutil.rmtree(".git")
    tracked.run("git", "init", "-q")
    with pytest.raises(UserError, match="in no Git repository with a commit"):
        make_clone(FOLDER)


def test_a_search_is_refused_where_dvc_runs_no_trial():
    check_place(Path("/home/someone/my project"))
    for name in ("Größe", "a#b", "a?b"):
        with pytest.raises(UserError, match="DVC can run no trial below"):
            check_place(Path("/home") / name)
