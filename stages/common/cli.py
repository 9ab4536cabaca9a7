"""How a stage or a tool ends: quietly, or with one sentence and exit status 1."""

import os
import signal
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend; its text is the one sentence they read."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; turn what a user can cause into one line on stderr and exit status 1.

    SIGTERM ends a stage as Ctrl-C does, so that what it was writing is tidied away. Bugs keep their
    traceback: hiding one would help nobody.
    """
    # Weights are local by the time any stage but fetch runs, so nothing may wait on a hub.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A pipe or a log gets each line when it is printed, and the error, on stderr, as the last.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted")
    except Exception as error:
        if out_of_memory(error):
            sys.exit("error: out of memory: use a smaller batch_size or max_prompt_tokens")
        if not isinstance(error, OSError) or error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        sys.exit(f"error: {error.strerror}{where}")


def out_of_memory(error: BaseException) -> bool:
    """Whether the system, or torch on a CPU or on a GPU, had no memory left.

    Torch has a type for it on a GPU, told by its name so that torch is not imported, and on a CPU
    a plain RuntimeError.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    signs = ("not enough memory", "can't allocate memory", "Cannot allocate memory")
    return isinstance(error, (RuntimeError, OSError)) and any(s in str(error) for s in signs)
