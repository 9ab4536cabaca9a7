"""Runs the stages of real pipelines in forks of a process that has imported torch already.

The import takes six seconds of a core, and the tests run hundreds of stages. The client is
`tests/helpers/warm/sitecustomize.py`. Libraries alone are imported here: a fork imports the stage
from its own project. The process ends with the one that started it.
"""

import atexit
import contextlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WARM = ROOT / "tests/helpers/warm"
PRELOAD = (
    "datasets",
    "evaluate",
    "peft.tuners.lora",
    "polars",
    "pydantic",
    "rouge_score.rouge_scorer",
    "sacrebleu",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.trainer",
    "yaml",
)
started: dict[str, str] = {}  # the environment of this process's server, once it was asked for


def warm_environment() -> dict[str, str]:
    """What a process needs in its environment for its stages to run in forks; starts the server."""
    if not started:
        path = str(Path(tempfile.mkdtemp(prefix="warm-")) / "socket")
        command = [sys.executable, "-m", "tests.helpers.warm_server", path]
        server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
        atexit.register(server.stdin.close)
        while not Path(path).exists():
            assert server.poll() is None
            time.sleep(0.02)
        started.update({"WARM_SERVER": path, "PYTHONPATH": str(WARM)})
    return started


def serve(path: str) -> None:
    for name in PRELOAD:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leaves no zombies
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{path}.new")
        server.listen()
        os.rename(f"{path}.new", path)
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in ready:
                shutil.rmtree(Path(path).parent)
                return
            client, _ = server.accept()
            if not os.fork():
                server.close()
                supervise(client)
            client.close()


def supervise(client: socket.socket) -> None:
    """Fork once more, tell the client the process and its end, and kill it if the client dies."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    answers = client.makefile("rw")
    request = json.loads(answers.readline())
    pid = os.fork()
    if not pid:
        client.close()
        os._exit(work(request, streams))
    with contextlib.suppress(OSError):
        print(pid, file=answers, flush=True)
    ended = 0
    while not ended:
        if select.select([client], [], [], 0.005)[0]:  # it sends no more: it was killed
            os.kill(pid, signal.SIGKILL)
            os._exit(0)
        ended, status = os.waitpid(pid, os.WNOHANG)
    with contextlib.suppress(OSError):
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
    os._exit(0)


def work(request: dict, streams: list[int]) -> int:
    """What `python -m MODULE ARGUMENTS` does, to its exit status."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["folder"]
    for name in [
        name for name in sys.modules if name.split(".")[0] in ("tests", "stages", "tools")
    ]:
        del sys.modules[name]
    sys.argv = request["arguments"]
    status = 0
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code or 0
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except (Exception, KeyboardInterrupt):  # noqa: BLE001, which is reported as Python does
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(sys.argv[1])
