"""Start a stage as several processes. `run.launch` names the command for this, such as torchrun.

The stage starts the command with the stage as its module, waits, and exits with its status. Ctrl-C
reaches the processes only once, as a signal to the command. The first process with an error for the
user writes it to a file. This process then ends the others and prints that error in place of the
command's own report.
"""

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

from stages.common.cli import LAST_WORDS, UserError, end

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
        signal.signal(number, lambda number, _frame: process.send_signal(number))
    while process.poll() is None and not words.exists():
        time.sleep(0.1)
    if words.exists():
        told = json.loads(words.read_text(encoding="utf-8"))
        kill(process)
        return told["status"], told["message"]
    if process.returncode:
        return 1, f"a process of `{shown}` was killed or failed, see above: run again to resume"
    return 0, ""


def kill(process: subprocess.Popen) -> None:
    """Kill the command and all processes that it started, before it prints its own report."""
    import psutil

    try:
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
