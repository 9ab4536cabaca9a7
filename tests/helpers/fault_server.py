"""Run stages in forks of the warm server, and inject faults into them.

An audit hook counts the moments at which a stage opens a file for writing, or moves or removes one.
A fault may happen at any of them. `Forks` is the client; `child` runs in the fork.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.helpers.faults import inject
from tests.helpers.warm_server import ask

MOVES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Ended:
    """How a stage ended: its status, as in `subprocess`, and its output on both streams."""

    status: int
    said: str
    seconds: float
    moments: int


class Forks:
    """The client. It runs stages of any project, each in a fork of the server."""

    def __init__(self, scratch: Path):
        self.log = scratch / "log"

    def run(
        self,
        root: Path,
        stage: str,
        kind: str = "",
        at: int = 0,
        after: float = 0,
        faults: list = (),
    ) -> Ended:
        """Run `stage`, such as `clean` or `generate@base`, in the project at `root`.

        A fault of `kind` (kill, term or full) strikes at moment `at`, or SIGKILL `after` seconds;
        `faults` are of `tests.helpers.faults`.
        """
        count = Path(f"{self.log}.count")
        count.unlink(missing_ok=True)
        fault = {"stage": stage, "log": str(self.log), "kind": kind, "at": at}
        fault |= {"faults": list(faults)}
        request = {"folder": str(root), "environment": dict(os.environ), "fault": fault}
        started = time.monotonic()
        status = ask(request, after)
        seconds = time.monotonic() - started
        # A kill after a time may come while this number is being written.
        moments = int(count.read_text() or 0) if count.exists() else 0
        return Ended(status, self.log.read_text(), seconds, moments)


class Moments:
    """Count the changes of the project's files, and let the fault happen at one of them."""

    def __init__(self, kind: str, at: int):
        self.kind, self.at, self.count, self.root = kind, at, 0, os.getcwd()
        sys.addaudithook(self.see)

    def see(self, event: str, args: tuple) -> None:
        if event not in MOVES and not (event == "open" and (args[2] or 0) & WRITES):
            return
        path = os.fspath(args[0]) if isinstance(args[0], (str, os.PathLike)) else ""
        if not path or (path.startswith("/") and not path.startswith(self.root)):
            return
        self.count += 1
        if self.count == self.at:
            self.strike(path)

    def strike(self, path: str) -> None:
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.kind == "term":
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.kind == "full":
            raise OSError(28, "No space left on device", path)


def child(request: dict) -> int:
    """Run the stage of a request in the current folder; return its exit status."""
    import torch

    torch.set_num_threads(1)  # because many stages run at once
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stage, *arguments = request["stage"].split("@")
    sys.argv = [stage, *arguments]
    from stages.common.cli import run

    inject(request["faults"])
    moments = Moments(request["kind"], request["at"])
    status = 0
    try:
        run(import_module(f"stages.{stage}").main)
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    with open(f"{request['log']}.count", "w") as out:
        out.write(str(moments.count))
    return status
