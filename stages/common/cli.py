"""How a stage or a tool ends: silently, or with one sentence and an exit status."""

import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable


class UserError(Exception):
    """An error that the user can fix. Its text is one sentence for them. Exit status 1."""

    status = 1


class Interrupted(UserError):
    """Ctrl-C or SIGTERM. Its text says what is kept. Exit status 128 + the signal's number."""

    def __init__(self, message: str, number: int | None = None):
        super().__init__(message)
        self.status = 128 + (number or received[-1])


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, raised wherever the process is.

    It is a type of its own because, after a plain KeyboardInterrupt and even a caught one, Python
    may exit by the signal and not with the status that it was given.
    """


LAST_WORDS = "STAGE_LAST_WORDS"  # environment variable: a file, see `stages.common.launch`
NO_MEMORY = (
    *("out of memory", "not enough memory", "can't allocate memory", "Cannot allocate memory"),
    *("_STATUS_ALLOC_FAILED", "RESOURCE_EXHAUSTED"),
)
NO_KERNEL = (
    "PyTorch or bitsandbytes, as installed here, was not built for this GPU: install a build that"
    " was, or set CUDA_VISIBLE_DEVICES= to use the CPU"
)
# How often a thread of torch looks for work before it sleeps. OpenMP's own 300,000 takes half of the
# time beside another process, and on idle cores saves none (`benchmarks/README.md`).
SPINS = "20000"
KEPT = "interrupted: complete outputs are kept, others are removed"
received = [signal.SIGINT]  # the signals received; the last one counts


def run(main: Callable[[], None]) -> None:
    """Call `main`. Turn an error that a user can cause into one line on stderr and an exit status.

    Bugs keep their traceback, because it helps to fix them.
    """
    # Only fetch needs a hub: no other stage may wait for one.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    # The user cannot act on the warnings of libraries.
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's `&` makes it ignore SIGINT
            signal.signal(number, on_signal)
    sys.unraisablehook = on_unraisable
    # A pipe or a log gets each line when it is printed, so that the error on stderr comes last.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        main()
        # All output is written. Python takes a moment to exit after torch; do not interrupt that.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    except UserError as error:
        end(str(error), error.status)
    except KeyboardInterrupt:
        end(KEPT, 128 + received[-1])
    except Exception as error:
        if len(received) > 1:  # a library turned the signal into another error
            end(KEPT, 128 + received[-1])
        if missing_kernel(error):
            end(NO_KERNEL)
        if lost_process(error):  # which has the sentence: `launch` shall wait for that one
            close_progress()
            sys.exit("error: another process ended, see its own error")
        if out_of_memory(error):
            end("out of memory: lower the batch size or format_prompts.max_prompt_tokens")
        if not isinstance(error, OSError) or error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        end(f"{error.strerror}{where}")


def on_signal(number: int, _frame) -> None:
    received.append(number)
    raise Stopped


def on_unraisable(error) -> None:
    """Python ignores an exception in a destructor. If it was a signal, send the signal again."""
    if isinstance(error.exc_value, Stopped):
        threading.Timer(0.1, os.kill, (os.getpid(), received[-1])).start()
    else:
        sys.__unraisablehook__(error)


def end(message: str, status: int = 1) -> None:
    """Exit with the sentence on stderr. If `run.launch` started several, their parent prints it."""
    close_progress()
    if path := os.environ.get(LAST_WORDS):
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as out:
            json.dump({"message": message, "status": status}, out)
        os.replace(out.name, path)
        time.sleep(10)  # meanwhile the parent ends all processes
    if status == 1:  # the status with which Python exits after printing a text
        sys.exit(f"error: {message}")
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(status)


def close_progress() -> None:
    """Close the progress line, so that the error gets a line of its own."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        for bar in list(getattr(tqdm, "_instances", ())):
            bar.close()


def out_of_memory(error: BaseException) -> bool:
    """Whether the system, or torch on a CPU or GPU, ran out of memory.

    The type of torch's error is compared by name, so that torch need not be imported. Drivers, the
    libraries of CUDA and ROCm, Apple's GPU, XLA and the CPU's allocator have other messages.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(s in str(error) for s in NO_MEMORY)


def missing_kernel(error: BaseException) -> bool:
    """Whether a library was built without code for this GPU."""
    return isinstance(error, RuntimeError) and "no kernel image is available" in str(error)


def lost_process(error: BaseException) -> bool:
    """Whether another one of the processes that work together ended, as gloo or NCCL tells it."""
    said = str(error)
    return isinstance(error, RuntimeError) and ("by peer" in said or "remote process" in said)


def is_of_machine(error: BaseException) -> bool:
    """Whether the cause is memory, the GPU or another process, and not the model that was called."""
    return out_of_memory(error) or missing_kernel(error) or lost_process(error)
