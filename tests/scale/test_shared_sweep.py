"""Two workers share a study, by a database and by a file; one of them is lost."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import psutil
import pytest
import yaml
from optuna.trial import TrialState

from tests.helpers.project import Project
from tests.tools.test_sweep import SEARCH, experiments, wait_for
from tools.sweep.study import open_storage

TRIALS = 4


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory) -> Iterator[str]:
    """The URL of a database of this test."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = shutil.which("initdb") or (found and found[-1])
    if not initdb:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    programs, folder = Path(initdb).resolve().parent, tmp_path_factory.mktemp("postgresql")
    # It does not run as root.
    account = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    if account:
        for parent in (folder, *list(folder.parents)[:2]):
            parent.chmod(0o755)
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: object) -> None:
        subprocess.run(
            [*map(str, command)], check=True, cwd=folder, stdout=subprocess.DEVNULL, **account
        )

    data = folder / "data"
    run(initdb, "-D", data, "-U", "sweeper", "-A", "trust")
    control = [programs / "pg_ctl", "-D", data, "-w"]
    options = f"-p {port} -h 127.0.0.1 -k {folder}"
    run(*control, "-l", folder / "log", "-o", options, "start")
    run(programs / "createdb", "-h", "127.0.0.1", "-p", port, "-U", "sweeper", "sweeps")
    yield f"postgresql+psycopg://sweeper@127.0.0.1:{port}/sweeps"
    run(*control, "-m", "immediate", "stop")


@pytest.fixture
def workers(reproduced, tmp_path) -> list[Project]:
    """Two clones, whose workers are given up after ten seconds of silence."""
    made = []
    for name in ("one", "two"):
        shutil.copytree(reproduced.root, tmp_path / name, symlinks=True)
        study = tmp_path / name / "tools/sweep/study.py"
        text = re.sub(r"(?m)^SILENT = .*", "SILENT = 10.0", study.read_text())
        study.write_text(text.replace("BEAT = 10.0", "BEAT = 1.0"))
        search = SEARCH | {"trials": TRIALS, "prune_after": TRIALS, "name": "shared"}
        (tmp_path / name / "sweep.yaml").write_text(yaml.safe_dump(search))
        made.append(Project(tmp_path / name))
    return made


def work(worker: Project, storage: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tools.sweep", "--storage", storage],
        cwd=worker.root,
        env=worker.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lose(worker: Project) -> None:
    """As when a machine is switched off."""
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(worker.root)):
                process.kill()
        except psutil.Error:
            continue


@pytest.mark.parametrize("kind", ["postgresql", "journal"])
def test_a_lost_workers_trial_is_tried_again(kind, workers, tmp_path, request):
    storage = (
        f"journal:{tmp_path}/study.log"
        if kind == "journal"
        else request.getfixturevalue("postgresql")
    )
    first, second = (work(worker, storage) for worker in workers)

    def study() -> optuna.Study:
        return optuna.load_study(study_name="shared", storage=open_storage(storage, ""))

    def running() -> set[str]:
        try:
            trials = study().get_trials(states=[TrialState.RUNNING])
        except KeyError:
            return set()
        return {t.user_attrs.get("worker", "").rpartition(":")[2] for t in trials}

    roots = [str(worker.root) for worker in workers]
    wait_for(lambda: running() == set(roots) or first.poll() is not None, "two trials at once")
    assert first.poll() is None, first.communicate()[0]
    lose(workers[0])
    first.wait()
    (lost,) = (
        t
        for t in study().get_trials()
        if t.user_attrs.get("worker", "").endswith(roots[0]) and t.state == TrialState.RUNNING
    )
    # HEAD moves in the other clone meanwhile, which is nothing to its trials.
    start = workers[1].run("git", "rev-parse", "HEAD").stdout.strip()
    workers[1].run("git", "commit", "-q", "--allow-empty", "-m", "something else")
    said, _ = second.communicate()
    assert second.returncode == 0, said
    trials = study().get_trials()
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    assert len(complete) == TRIALS
    assert trials[lost.number].state == TrialState.FAIL
    assert [t.params for t in complete].count(lost.params) == 1
    names = [f"shared-{t.number}" for t in complete]
    done_here = set(experiments(workers[1]))
    assert done_here <= set(names)
    refs = workers[1].run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout
    began = {ref.rpartition("/")[0] for ref in refs.split() if "/shared-" in ref}
    assert began == {f"refs/exps/{start[:2]}/{start[2:]}"}

    # The experiments of both come together.
    (tmp_path / "hub.git").mkdir()
    workers[1].run("git", "init", "-q", "--bare", str(tmp_path / "hub.git"))
    for worker in workers:
        worker.run("git", "remote", "add", "hub", str(tmp_path / "hub.git"))
        worker.dvc("exp", "push", "--no-cache", "hub", "--rev", start)
    workers[1].dvc("exp", "pull", "--no-cache", "hub", "--rev", start)
    together = set(experiments(workers[1]))
    assert together == set(experiments(workers[0])) | done_here <= set(names)
