"""On PYTHONPATH, Python runs this first. It hands stages and tools to the warm server, and records
them.

`WARM_SERVER` names the server's socket: `python -m stages.finetune` then waits for a fork of the
server to do the work, with this process's folder, environment and streams. Signals go to the fork,
and it dies with this process. `RAN` names a file to which the module and its arguments are added:
what ran is known by it without trusting DVC's word. `WARM_DVC` lets `python -m dvc` work in a fork,
too: not where a test kills it, for the stages that it started would live on.
"""

import os
import sys

STAGES = ("fetch", "clean", "format_prompts", "finetune", "generate", "score")
TOOLS = ("summarize", "inspect", "export", "compare", "judge", "ratings", "report", "seeds")
HELPERS = ("compiled_kernels", "freed_blocks")
MODULES = {
    *(f"stages.{name}" for name in STAGES),
    *(f"tools.{name}" for name in TOOLS),
    *(f"tests.helpers.{name}" for name in HELPERS),
    "benchmarks.gpu_qlora",
}
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")


def forked(module: str) -> bool:
    """Whether the server shall do the work of the module."""
    if module == "dvc":
        return bool(os.environ.pop("WARM_DVC", ""))
    # The hub's client reads its environment when it is imported.
    hub = module == "stages.fetch" and any(name.startswith("HF_") for name in os.environ)
    return module in MODULES and not hub


def hand_over(arguments: list[str], path: str) -> None:
    import json
    import signal
    import socket

    numbers = [getattr(signal, name) for name in FORWARDED]
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # until there is a process to send them to
    request = {
        "arguments": arguments,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "ignored": [n for n in numbers if signal.getsignal(n) == signal.SIG_IGN],
    }
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [b"\n"], [0, 1, 2])
        answers = server.makefile("rw")
        print(json.dumps(request), file=answers, flush=True)
        pid = int(answers.readline())
        for number in set(numbers) - set(request["ignored"]):
            signal.signal(number, lambda number, _frame: os.kill(pid, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        status = int(answers.readline())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


command = sys.orig_argv[1:]
while command and command[0].startswith("-") and command[0] != "-m":
    command.pop(0)
if command[:1] == ["-m"]:  # Python's own option, not one of torchrun
    command.pop(0)
    if "RAN" in os.environ:
        with open(os.environ["RAN"], "a") as ran:
            print(*command, file=ran)
    if forked(command[0]) and os.environ.get("WARM_SERVER"):
        hand_over(command, os.environ["WARM_SERVER"])
