"""The files of cluster/: their own tools read them, and what they run works in a real project."""

import shutil
import subprocess

import pytest
import yaml

from tests.helpers.project import ROOT, Project

SLURM, SKY = ROOT / "cluster/slurm.sbatch", ROOT / "cluster/sky.yaml"


@pytest.fixture
def clone(reproduced, tmp_path) -> Project:
    """A clone without cache, with a Git remote and a DVC remote that has the cache."""
    first = Project(tmp_path / "first")
    shutil.copytree(reproduced.root, first.root, symlinks=True)
    first.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    first.run("git", "commit", "-qam", "a remote")
    first.dvc("push", "--quiet", "--run-cache")
    first.run("git", "clone", "-q", "--bare", ".", str(tmp_path / "origin.git"))
    first.run("git", "clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / "clone"))
    (tmp_path / "clone/.venv").symlink_to(ROOT / ".venv")
    (tmp_path / "clone/.git/info/exclude").write_text(".venv\n")
    return Project(tmp_path / "clone")


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="no .venv, as make sets it up")
def test_the_clouds_run_pushes_an_experiment(clone, monkeypatch):
    task = yaml.safe_load(SKY.read_text())
    monkeypatch.setenv("NAME", "other-rate")
    monkeypatch.setenv("SET", "finetune.learning_rate=0.002")
    clone.run("bash", "-e", "-c", task["run"])
    colleague = Project(clone.root.parent / "first")
    colleague.run("git", "remote", "add", "origin", str(clone.root.parent / "origin.git"))
    colleague.dvc("exp", "pull", "origin", "other-rate")
    assert "other-rate" in colleague.dvc("exp", "list", "--name-only").stdout


def test_sky_reads_its_file():
    sky = pytest.importorskip("sky", reason="SkyPilot is not installed")
    task = sky.Task.from_yaml(str(SKY))
    assert task.run and task.setup


@pytest.mark.parametrize("script", [SLURM.read_text(), *yaml.safe_load(SKY.read_text()).values()])
def test_scripts_are_bash(script):
    if isinstance(script, str):
        subprocess.run(["bash", "-n", "-c", script], check=True)


def test_slurm_reads_its_file():
    if not shutil.which("sbatch"):
        pytest.skip("SLURM is not installed")
    try:
        subprocess.run(["scontrol", "ping"], check=True, capture_output=True, timeout=3)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("no cluster answers")
    command = ["sbatch", "--test-only", "--gpus-per-node=0", "--cpus-per-task=1", str(SLURM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "to start at" in done.stderr, done.stderr
