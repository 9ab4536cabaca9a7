"""A trial as a DVC experiment in the sweep's clone: started, listened to, stopped, read."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from stages.common.cli import UserError
from tools.sweep.clone import ref_of

LOSSES = "FINETUNE_LOSSES"  # the environment variable that `stages.training.callbacks` knows
GRACE = 30  # seconds that a run which is told to stop gets to clean up


def check_place(folder: Path) -> None:
    """Raise a `UserError` where DVC cannot run a trial: it writes the path in ASCII, and as a URL."""
    if not str(folder).isascii() or "#" in str(folder) or "?" in str(folder):
        raise UserError(
            f"DVC can run no trial below {folder}: move the project to a path of ASCII letters,"
            " without # and ?"
        )


def start(name: str, values: dict, losses: Path, clone: Path) -> subprocess.Popen:
    """`dvc exp run --temp` up to `finetune`.

    finetune adds each validation loss to the file `losses`.
    """
    losses.unlink(missing_ok=True)
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name]
    for key, value in values.items():
        command += ["--set-param", f"{key}={json.dumps(value)}"]
    return run_aside([*command, "finetune"], clone, **{LOSSES: str(losses.resolve())})


def run_aside(command: list[str], clone: Path, **environment: str) -> subprocess.Popen:
    """Start a command of DVC in a clone, whose stages find this Python, in a process group of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        command,
        cwd=clone,
        env=os.environ | {"PATH": path} | environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def started_at(pid: int) -> float | None:
    """When the process was started, in seconds since 1970; None where there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def follow(process: subprocess.Popen, losses: Path, beat: Callable[[], object]) -> Iterator[float]:
    """Yield each validation loss that is added to `losses`, until the run ends.

    `beat` is called all the time, to say that this process is alive.
    """
    read, running = 0, True
    while running:
        beat()
        running = process.poll() is None  # before reading: what it wrote last is read, too
        lines = losses.read_text(encoding="utf-8").split("\n")[:-1] if losses.exists() else []
        for line in lines[read:]:
            yield json.loads(line)["validation_loss"]
        read = len(lines)
        time.sleep(0.2 if running else 0)


def stop(pid: int) -> None:
    """Interrupt a run as Ctrl-C does, so that DVC removes its folder; kill what does not end."""
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        os.killpg(pid, signal.SIGINT)
        try:
            psutil.Process(pid).wait(GRACE)
        except psutil.TimeoutExpired:
            os.killpg(pid, signal.SIGKILL)


def loss_of(name: str, repository: Path) -> float | None:
    """The validation loss of an experiment of the repository; None where there is none."""
    if not repository.exists() or not (ref := ref_of(repository, name)):
        return None
    command = ["git", "show", f"{ref}:./metrics/finetune.json"]
    shown = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    return None if shown.returncode else json.loads(shown.stdout)["validation_loss"]
