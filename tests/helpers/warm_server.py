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
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
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


def fill_caches() -> None:
    """Do once what each process of transformers and DVC does first. No thread may start here."""
    from dvc.cli.parser import get_main_parser
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_main_parser()
    get_checkpoint_conversion_mapping("llama")


def supervise(client: socket.socket) -> None:
    """Fork again, send the client the process id and status, and kill it if the client dies."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    answers = client.makefile("rw")
    request = json.loads(answers.readline())
    # Until the stage has handlers of its own a signal ends the fork: an exception, raised while it
    # takes modules away, might be swallowed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        client.close()
        os._exit(work(request, streams))
    with contextlib.suppress(OSError):
        print(pid, file=answers, flush=True)
    ended = 0
    while not ended:
        if select.select([client], [], [], 0.005)[0]:  # the client was killed
            os.kill(pid, signal.SIGKILL)
            os._exit(0)
        ended, status = os.waitpid(pid, os.WNOHANG)
    with contextlib.suppress(OSError):
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
    os._exit(0)


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
