"""The pipeline's stages. Here begins each of them, and each tool: `python -m stages.clean`."""

import os
import signal
import sys


def leave(number: int, _frame) -> None:
    """Ctrl-C or SIGTERM while modules are imported, before `stages.common.cli.run` takes over."""
    os.write(2, b"error: interrupted before anything was done\n")
    os._exit(128 + number)


# Python puts "-m" there for as long as it looks for the module to run. Nobody else's handler, such
# as that of a test or a notebook, is touched.
if sys.argv[:1] == ["-m"]:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)
