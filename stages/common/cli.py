"""How a stage or a tool ends: quietly, or with one sentence and exit status 1."""

import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend; its text is the one sentence they read."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; turn what a user can cause into one line on stderr and exit status 1.

    Bugs keep their traceback: hiding one would help nobody.
    """
    # Weights are local by the time any stage but fetch runs, so nothing may wait on a hub.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted")
    except MemoryError:
        sys.exit("error: out of memory: use a smaller batch_size or max_prompt_tokens")
    except OSError as error:
        if error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        sys.exit(f"error: {error.strerror}{where}")
