"""A trial as a DVC experiment outside the workspace: started, listened to, stopped, read."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

EVALUATION = re.compile(r"'eval_loss': '?([-+.\w]+)")  # how the Trainer logs one
GRACE = 30  # seconds that a run which is told to stop gets to clean up


def start(name: str, values: dict) -> subprocess.Popen:
    """`dvc exp run --temp` up to `finetune`, in a process group of its own to be stopped with."""
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name]
    for key, value in values.items():
        command += ["--set-param", f"{key}={json.dumps(value)}"]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.Popen(
        [*command, "finetune"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def started_at(pid: int) -> float | None:
    """When the process was started, in seconds since 1970; None where there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def losses(process: subprocess.Popen) -> Iterator[float]:
    """Yield each validation loss when the run prints it, until the run ends."""
    for line in process.stdout:
        if found := EVALUATION.search(line):
            yield float(found[1])


def stop(pid: int) -> None:
    """Interrupt a run as Ctrl-C does, so that DVC removes its folder; kill what does not end."""
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        os.killpg(pid, signal.SIGINT)
        try:
            psutil.Process(pid).wait(GRACE)
        except psutil.TimeoutExpired:
            os.killpg(pid, signal.SIGKILL)


def loss_of(name: str) -> float | None:
    """The validation loss of an experiment that was run on HEAD; None where there is none."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    commit = head.stdout.strip()
    file = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}:./metrics/finetune.json"
    shown = subprocess.run(["git", "show", file], capture_output=True, text=True, check=False)
    return None if shown.returncode else json.loads(shown.stdout)["validation_loss"]
