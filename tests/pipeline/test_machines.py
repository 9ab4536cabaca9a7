"""`make repro` and `make test` on other people's machines: their make, home, owner, Git, remote."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.helpers.project import ROOT, Project
from tests.helpers.warm_server import warm_environment
from tools import repro

# Apple's make 3.81 behaves otherwise than GNU's own: name it in MAKE_381 to test with it, too.
MAKES = [name for name in ("make", os.environ.get("MAKE_381")) if name]
UP_TO_DATE = "Data and pipelines are up to date."
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def machine(reproduced, tmp_path) -> Project:
    """A copy of the reproduced project with a Makefile and a .venv that is set up."""
    root = tmp_path / "other machine"  # people have spaces in their paths
    shutil.copytree(reproduced.root, root, symlinks=True)
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "constraints.txt"):
        shutil.copyfile(ROOT / name, root / name)
    set_up(root)
    return Project(root, warm=False)


def set_up(root: Path) -> None:
    """A .venv that runs this Python with its packages, without their being installed again."""
    (root / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (root / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    for mark in ("runtime", "dev"):
        (root / ".venv" / mark).touch()


def make(project: Project, *arguments: str, program: str = "make", **environment: str):
    """Run make as a shell without an activated environment does, with `environment` besides."""
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(project.root.parent)}
    return subprocess.run(
        [shutil.which(program), *arguments],
        cwd=project.root,
        env=bare | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def up_to_date(done: subprocess.CompletedProcess) -> bool:
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Running stage" not in said, said
    return UP_TO_DATE in said


@pytest.mark.parametrize("program", MAKES)
def test_no_tool_is_looked_for_in_path(machine, tmp_path, program):
    decoys = tmp_path / "decoys"
    decoys.mkdir()
    for tool in ("python", "python3", "dvc", "ruff", "pytest", "pip"):
        (decoys / tool).write_text("#!/bin/sh\necho a decoy runs; exit 9\n")
        (decoys / tool).chmod(0o755)
    machine.params(**{"score.seed": 77})
    path = f"{decoys}:/usr/local/bin:/usr/bin:/bin"
    done = make(machine, "repro", program=program, **warm_environment(), PATH=path)
    assert done.returncode == 0 and "Running stage 'score'" in done.stdout, done.stderr
    assert "decoy" not in done.stdout + done.stderr
    for line in make(machine, "-n", "-B", "test", "report", program=program).stdout.splitlines():
        assert line.startswith((".venv/bin/", "python3 -c", "touch .venv/")), line


def test_a_downloaded_archive_needs_no_git(machine):
    shutil.rmtree(machine.root / ".git")
    assert up_to_date(make(machine, "repro"))


def test_a_clone_of_another_owner(machine):
    if os.getuid() != 0:
        pytest.skip("only root may give a folder away")
    for path in (machine.root, *machine.root.rglob("*")):
        os.chown(path, 54321, 54321, follow_symlinks=False)
    assert "dubious ownership" in machine.run("git", "status", check=False).stderr
    assert up_to_date(make(machine, "repro"))


@pytest.mark.parametrize(("home", "stage"), [("missing", "score"), ("locked", "clean")])
def test_a_home_that_cannot_be_written(machine, tmp_path, home, stage):
    """Also for a user who has a number and no name, as in a container."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    home = {"missing": "/nonexistent/home", "locked": str(locked)}[home]
    command = [".venv/bin/python", "-m", "tools.repro", "--force", "--single-item", stage]
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed")
        for path in (machine.root, *machine.root.rglob("*")):
            os.chown(path, 54321, 54321, follow_symlinks=False)
        # May read all, as the tests' Python may lie in root's home, and write nothing of others.
        rights = "-all,+dac_read_search"
        user = ["--reuid", "54321", "--clear-groups"]
        command = [
            *("setpriv", *user, "--inh-caps", rights, "--ambient-caps", rights),
            *command,
        ]
    done = subprocess.run(
        command,
        cwd=machine.root,
        env={"PATH": "/usr/bin:/bin", "HOME": home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Running stage '{stage}'" in done.stdout


def test_a_user_without_name_shell_or_site_cache(monkeypatch, tmp_path):
    def nameless():
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    monkeypatch.setenv("SHELL", "/usr/sbin/nologin")
    monkeypatch.chdir(tmp_path)
    needed = repro.changes(tmp_path)
    assert needed["LOGNAME"] == str(os.getuid()) and "nologin" not in needed["SHELL"]
    assert Path(needed["DVC_SITE_CACHE_DIR"]).is_relative_to(tmp_path)


def test_line_endings_of_windows_change_nothing(machine, tmp_path):
    shutil.copyfile(ROOT / ".gitattributes", machine.root / ".gitattributes")
    machine.run("git", "add", "-A")
    machine.run("git", "commit", "-qm", "machine")
    other = tmp_path / "windows"
    machine.run(
        *("git", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", "clone", "-q"),
        *(str(machine.root), str(other)),
    )
    tracked = machine.run("git", "ls-files").stdout.splitlines()
    for name in tracked:
        assert (other / name).read_bytes() == (machine.root / name).read_bytes(), name
    assert {"params.yaml", "corpus/train.jsonl", "dvc.lock"} <= set(tracked)


def remote(project: Project, url: str) -> None:
    Project(project.root).dvc("remote", "add", "-q", "-f", "-d", "store", url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://bucket/path", "dvc-s3"),
        ("ssh://user:secret@localhost/path", "dvc-ssh"),
        ("http://user:secret@127.0.0.1:9/path", "it cannot be reached, `dvc pull` says why"),
        ("/nonexistent/store", "it holds nothing, or is not there"),
    ],
)
def test_a_remote_that_cannot_be_used_is_named_and_left_out(machine, url, words):
    try:
        __import__(words.replace("-", "_"))
        pytest.skip(f"{words} is installed")
    except ImportError:
        remote(machine, url)
    done = make(machine, "repro")
    assert up_to_date(done)
    (line,) = [line for line in done.stderr.splitlines() if "remote" in line]
    assert line.startswith("repro: the DVC remote is not used: ") and words in line
    assert "secret" not in done.stdout + done.stderr


def test_a_remote_that_never_answers_costs_seconds(machine, monkeypatch, capsys):
    class Silent(SimpleHTTPRequestHandler):
        def do_GET(self):
            released.wait(60)

    released = threading.Event()
    with serving(Silent) as port:
        remote(machine, f"http://127.0.0.1:{port}/x")
        monkeypatch.chdir(machine.root)
        monkeypatch.setattr(repro, "SECONDS", 3)
        started = time.monotonic()
        assert not repro.answers(machine.environment)
        assert time.monotonic() - started < 10
        assert "it did not answer in 3 seconds" in capsys.readouterr().err
        released.set()


class serving:
    """A server on the loopback while the block runs; gives its port."""

    def __init__(self, handler):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> int:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.server.server_port

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.parametrize("kind", ["folder", "http"])
def test_what_a_colleague_pushed_is_downloaded(machine, tmp_path, kind):
    store = tmp_path / "store"
    remote(machine, str(store))
    Project(machine.root).dvc("push", "-q", "--run-cache")
    machine.run("git", "add", "-A")
    machine.run("git", "commit", "-qm", "remote")
    machine.run("git", "clone", "-q", str(machine.root), str(tmp_path / "second"))
    second = Project(tmp_path / "second", warm=False)
    set_up(second.root)
    with serving(partial(Quiet, directory=store)) as port:
        if kind == "http":
            remote(second, f"http://127.0.0.1:{port}")
        done = make(second, "repro", no_proxy="127.0.0.1")
    assert up_to_date(done)
    adapter = "models/adapter/adapter_model.safetensors"
    assert (second.root / adapter).read_bytes() == (machine.root / adapter).read_bytes()


def fake_python(folder: Path, script: str) -> str:
    """A Python that does what `script`, of sh, says for its arguments."""
    file = folder / "fake-python"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return f"PYTHON={file}"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        # An older Python ends with the sentence that the Makefile gives it.
        ('echo "$2" | sed "s/.*(.error/error/; s/needed.*/needed/" >&2; exit 1', "Python 3.11 or"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_leaves_nothing_half_made(machine, tmp_path, script, sentence):
    shutil.rmtree(machine.root / ".venv")
    done = make(machine, "repro", fake_python(tmp_path, script))
    assert done.returncode != 0 and sentence in done.stderr
    assert not (machine.root / ".venv").exists()


def test_a_set_up_that_was_interrupted_begins_again(machine, tmp_path):
    shutil.rmtree(machine.root / ".venv")
    half = machine.root / ".venv/bin"
    half.mkdir(parents=True)
    (half / "python").symlink_to("/nonexistent/python3")  # of an interpreter that was removed
    python = fake_python(tmp_path, f'[ "$1 $2" != "-m venv" ] || echo "$@" > {tmp_path}/begun')
    make(machine, ".venv/runtime", python)
    assert (tmp_path / "begun").read_text().split() == ["-m", "venv", "--clear", ".venv"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_stage_and_its_sentence_is_seen(machine, number, status):
    """SIGINT goes to the group, as a terminal sends it; SIGTERM to one process, as `kill` does.

    With SIGTERM the stage works in a fork, which spares one of two starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("the tests run in the background, where a shell ignores Ctrl-C")
    machine.params(**{"finetune.num_train_epochs": 500, "finetune.patience": 500})
    machine.warm = number == signal.SIGTERM
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.repro", "finetune"],
        cwd=machine.root,
        env=machine.environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    while "tokens an epoch" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    time.sleep(1)
    send = os.killpg if number == signal.SIGINT else os.kill
    send(process.pid, number)
    said += process.communicate(timeout=60)[0]
    assert process.returncode == status, said
    assert "a checkpoint is kept, run again to resume" in said or "are removed" in said
    assert said.splitlines()[-1].startswith("error: interrupted: finished stages are kept")
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody is left
