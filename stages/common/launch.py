"""Start a stage as several processes: `run.launch` names the command, such as torchrun.

The stage starts the command with itself as its module, waits, and ends as it ended. Ctrl-C reaches
the processes once, as a signal to the command. The first of them that has an error for the user
writes it down, and this process ends the others and tells it, instead of the command's own report.
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
    """Run this stage by `command` and exit; return where there is none, or in its processes."""
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
    """The stage as `python -m` has it."""
    return f"stages.{Path(sys.argv[0]).stem}"


def wait(command: list[str], shown: str, folder: Path) -> tuple[int, str]:
    """Run the command to its end; its exit status, and the sentence that explains a bad one."""
    words = folder / "last_words.json"
    environment = os.environ | {LAUNCHED: shown, LAST_WORDS: str(words)}
    # torchrun would set it and say so; `stages.model.processes` shares out the cores.
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
    """End the command and all that it started, before it can report what is known."""
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
