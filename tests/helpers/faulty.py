"""Run a stage with faults in its own process, for an XLA device, where forks do not work.

    python -m tests.helpers.faulty finetune killed_at_save

Faults are named as in `tests.helpers.faults`, those without arguments.
"""

import sys
from importlib import import_module

from stages.common.cli import run
from tests.helpers.faults import inject

if __name__ == "__main__":
    stage, *names = sys.argv[1:]
    sys.argv[1:] = []
    inject([(name, {}) for name in names])
    run(import_module(f"stages.{stage}").main)
