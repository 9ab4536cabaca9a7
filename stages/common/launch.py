"""Start a stage as several processes. `run.launch` names the command for this, such as torchrun.

The stage starts the command with the stage as its module, waits, and exits with its status. Ctrl-C
goes to the stage's processes themselves: torchrun gives them half a minute before it kills them, and
a step before its checkpoint may take longer. The first process with an error for the user writes it
to a file. This process then ends the others and prints that error in place of the command's own
report.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from stages.common.cli import KEPT, LAST_WORDS, UserError, end, received

LAUNCHED = "STAGE_LAUNCHED_BY"  # environment variable: the command, in the processes it starts


def launch(command: str | None) -> None:
    """Run this stage with `command` and exit. Return if it is null, or in a process it started."""
    if LAUNCHED in os.environ and "RANK" not in os.environ:
        raise UserError(
            f"run.launch: `{os.environ[LAUNCHED]}` starts one process alone, without a RANK:"
            " use torchrun, or null"
        )
    if not command or "RANK" in os.environ:
        return
    words = shlex.split(os.path.expandvars(command))
    if not words or not shutil.which(words[0]):
        raise UserError(f"run.launch: {command!r} is no command that this machine has")
    with tempfile.TemporaryDirectory() as folder:
        status, message = wait([*words, "-m", module(), *sys.argv[1:]], command, Path(folder))
    if message:
        end(message, status)
    sys.exit(status)


def module() -> str:
    """The stage's name for `python -m`."""
    return f"stages.{Path(sys.argv[0]).stem}"


def wait(command: list[str], shown: str, folder: Path) -> tuple[int, str]:
    """Run the command. Return its exit status, and the sentence that explains a failure."""
    words = folder / "last_words.json"
    environment = os.environ | {LAUNCHED: shown, LAST_WORDS: str(words)}
    # torchrun would set this with a warning. `stages.model.processes` distributes the cores.
    environment.setdefault("OMP_NUM_THREADS", "1")
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: forward(number, process))
    while process.poll() is None and not words.exists():
        time.sleep(0.1)
    interrupted = len(received) > 1
    if words.exists():
        told = json.loads(words.read_text(encoding="utf-8"))
        kill(process)
        if told["status"] < 128:
            return told["status"], told["message"]
        # When a process ends or is killed, torchrun sends SIGTERM to the others: the signal that
        # this process received counts, and without one nobody interrupted them.
        if interrupted:
            return 128 + received[-1], told["message"]
    elif interrupted and process.returncode:  # before a process could say so itself
        return 128 + received[-1], KEPT
    if process.returncode:
        return 1, f"a process of `{shown}` was killed or failed, see above: run again to resume"
    return 0, ""


def forward(number: int, process: subprocess.Popen) -> None:
    """Send the signal to the stage's processes, or to the command if none runs on this machine."""
    received.append(number)
    ranks = {}
    for member in family(process):
        with contextlib.suppress(psutil.Error):
            if "RANK" in member.environ():
                ranks[member.pid] = member.ppid(), member
    # What a rank starts inherits its variables, and gets no signal of its own.
    first = [member for parent, member in ranks.values() if parent not in ranks]
    for member in first or family(process)[-1:]:
        with contextlib.suppress(psutil.Error):
            member.send_signal(number)


def kill(process: subprocess.Popen) -> None:
    """Kill the command and all processes that it started, before it prints its own report."""
    for member in family(process):
        with contextlib.suppress(psutil.Error):
            member.kill()
    process.wait()


def family(process: subprocess.Popen) -> list[psutil.Process]:
    """All processes that the command started, and the command itself as the last."""
    try:
        command = psutil.Process(process.pid)
        return [*command.children(recursive=True), command]
    except psutil.NoSuchProcess:
        return []
