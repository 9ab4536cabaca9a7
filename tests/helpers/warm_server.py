"""Run the stages of real pipelines in forks of a process that has already imported torch.

The import takes six seconds of a core, and the tests run hundreds of stages. The clients are
`tests/helpers/warm/sitecustomize.py`, whose forks import the stage from its own project, and
`tests.helpers.fault_server`, whose forks have the repository's stages. The server ends with the
process that started it. pytest's workers share the one that SHARED names.
"""

import atexit
import contextlib
import gc
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

from tests.helpers.faults import inject

ROOT = Path(__file__).resolve().parents[2]
WARM = ROOT / "tests/helpers/warm"
STAGES = ("fetch", "clean", "format_prompts", "finetune", "generate", "score")
PRELOAD = (
    *(f"stages.{name}" for name in STAGES),
    *(f"stages.training.{name}" for name in ("adapter", "dataset", "lora", "metrics", "ranking")),
    "stages.model.decoding",
    "stages.scoring.metric",
    "tests.helpers.fault_server",
    "datasets",
    "dvc.cli.parser",
    "dvc.repo.experiments",
    "dvc.repo.index",
    "dvc.repo.reproduce",
    "dvc.stage.cache",
    "dvc.stage.run",
    "evaluate",
    "peft.tuners.lora",
    "polars",
    "pydantic",
    "rouge_score.rouge_scorer",
    "sacrebleu",
    "torch.distributed.run",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.trainer",
    "yaml",
)
OURS = ("benchmarks", "stages", "tests", "tools")
SHARED = "SHARED_WARM_SERVER"  # environment variable: the socket of a server for several processes
# A fork copies the table of all pages: with large ones it takes half as long.
LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
started: dict[str, str] = {}  # the environment of this process's server, once it is started


def warm_environment() -> dict[str, str]:
    """Start the server; return the environment with which a process runs its stages in forks."""
    if not started:
        path = os.environ.get(SHARED) or start()
        deadline = time.monotonic() + 300
        while not Path(path).exists():
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.02)
        started.update({"WARM_SERVER": path, "PYTHONPATH": str(WARM)})
    return started


def start() -> str:
    """Start a server; return the path of its socket, which is there once it listens."""
    path = str(Path(tempfile.mkdtemp(prefix="warm-")) / "socket")
    command = [sys.executable, "-m", "tests.helpers.warm_server", path]
    server = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, env=os.environ | LARGE_PAGES
    )
    atexit.register(server.stdin.close)
    return path


def ask(request: dict, after: float) -> int:
    """Send a request; return its exit status. It is killed `after` seconds, or 300 if 0."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(warm_environment()["WARM_SERVER"])
        socket.send_fds(server, [b"\n"], [0, 1, 2])
        server.sendall(json.dumps(request).encode() + b"\n")
        answers = server.makefile("rb", buffering=0)
        pid = int(answers.readline())
        if not select.select([server], [], [], after or 300)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(answers.readline())


def serve(path: str) -> None:
    for name in PRELOAD:
        import_module(name)
    fill_caches()
    gc.collect()
    gc.freeze()  # forks share what is here, and their collections need not walk through it
    ended, wake = socket.socketpair()  # a fork's end wakes `select`
    for end in (ended, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    clients: dict[socket.socket, int] = {}  # and the fork of each
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{path}.new")
        server.listen()
        os.rename(f"{path}.new", path)
        while True:
            ready, _, _ = select.select([server, sys.stdin, ended, *clients], [], [])
            if sys.stdin in ready:
                shutil.rmtree(Path(path).parent)
                return
            if ended in ready:
                ended.recv(4096)
                answer_ended(clients)
            for client in clients.keys() & set(ready):  # it was killed
                os.kill(clients.pop(client), signal.SIGKILL)
                client.close()
            if server in ready:
                accept(server, clients)


def answer_ended(clients: dict[socket.socket, int]) -> None:
    """Tell the clients of the forks that have ended how they did."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there are no others
            return
        if not pid:
            return
        for client in [client for client, fork in clients.items() if fork == pid]:
            del clients[client]
            with contextlib.suppress(OSError), client:
                client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def accept(server: socket.socket, clients: dict[socket.socket, int]) -> None:
    """Fork for a client, and tell it the process id."""
    client, _ = server.accept()
    try:
        _, streams, _, _ = socket.recv_fds(client, 1, 3)
        request = json.loads(client.makefile().readline())
    except (OSError, ValueError):  # it was killed before it had said all
        client.close()
        return
    # A signal that comes before the stage has handlers of its own ends the fork: the exception
    # that it is otherwise might be swallowed.
    signals = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    pid = os.fork()
    if not pid:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        for other in (server, client, *clients):
            other.close()
        os._exit(work(request, streams))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    for stream in streams:
        os.close(stream)
    clients[client] = pid
    with contextlib.suppress(OSError):
        client.sendall(f"{pid}\n".encode())


def fill_caches() -> None:
    """Do once what each process of transformers and DVC does first. No thread may start here."""
    from dvc.cli.parser import get_main_parser
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_main_parser()
    get_checkpoint_conversion_mapping("llama")


def work(request: dict, streams: list[int]) -> int:
    """Do what `python -m MODULE ARGUMENTS` does; return its exit status.

    `FAULTS_OF_1` is JSON: faults of `tests.helpers.faults` for the process of rank 1. A process
    alone has rank 0.
    """
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if "fault" in request:
        from tests.helpers.fault_server import child

        return child(request["fault"])
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    more = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [request["folder"], *filter(None, more)]
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    inject(json.loads(os.environ.get(f"FAULTS_OF_{os.environ.get('RANK', '0')}", "[]")))
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
