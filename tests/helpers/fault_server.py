"""Runs stages in forks of a process that has imported torch already, and strikes them down.

Reads a JSON request a line on stdin, answers each with the exit status. An audit hook counts the
moments at which the stage opens a file to write, or moves or removes one: a fault may strike there.
`Forks` is the client.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.helpers.faults import inject

STAGES = ("fetch", "clean", "format_prompts", "finetune", "generate", "score")
PRELOAD = (
    *(f"stages.{name}" for name in STAGES),
    *(f"stages.training.{name}" for name in ("adapter", "dataset", "lora", "metrics", "ranking")),
    "stages.model.decoding",
    "stages.scoring.metric",
    "datasets",
    "rouge_score.rouge_scorer",
    "transformers.models.llama.modeling_llama",
    "peft.tuners.lora",
)
MOVES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Ended:
    """How a stage ended: status as `subprocess` has it, what it said on both streams."""

    status: int
    said: str
    seconds: float
    moments: int


class Forks:
    """The client: runs stages of any project, each in a fork of the one server."""

    def __init__(self, scratch: Path):
        self.log = scratch / "log"
        root = Path(__file__).resolve().parents[2]
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Unbuffered, lines come in order whatever the stage does.
            env=os.environ
            | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""},
        )
        assert json.loads(self.process.stdout.readline())["ready"]

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
        request = {"cwd": str(root), "stage": stage, "log": str(self.log), "kind": kind, "at": at}
        request |= {"after": after, "faults": list(faults)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        # A kill at a time may come while this very number is being written.
        moments = int(count.read_text() or 0) if count.exists() else 0
        return Ended(said=self.log.read_text(), moments=moments, **answer)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Moments:
    """Counts what a stage does to the project's files, and lets the fault happen at one of them."""

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
    os.chdir(request["cwd"])
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


def serve() -> None:
    for name in PRELOAD:
        import_module(name)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        pid, started = os.fork(), time.monotonic()
        if not pid:
            status = 2
            try:
                status = child(request)
            finally:
                if sys.exc_info()[0]:
                    traceback.print_exc()
                os._exit(status)
        ended = 0
        while not ended:
            time.sleep(0.005)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended and time.monotonic() - started > (request["after"] or 300):
                os.kill(pid, signal.SIGKILL)
                ended, status = os.waitpid(pid, 0)
        seconds = time.monotonic() - started
        answer = {"status": os.waitstatus_to_exitcode(status), "seconds": seconds}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
