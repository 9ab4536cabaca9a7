"""A CPU's memory is not filled by compiled kernels, and what tensors leave is used again."""

import os
import platform
import subprocess
import sys

import pytest

from stages.model.hardware import choose_hardware
from tests.helpers.data import ROOT
from tests.helpers.warm_server import warm_environment


def measure(module: str, *arguments: str, **environment: str) -> str:
    """What a module of the helpers prints in a process of its own, a fork if WARM_SERVER is given."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.helpers.{module}", *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif("this CPU has bf16" not in choose_hardware().reason, reason="no CPU with bf16")
def test_few_compiled_kernels_are_kept():
    def compiled(**environment: str) -> int:
        environment |= warm_environment() | {"ONEDNN_VERBOSE": "2"}
        said = measure("compiled_kernels", **environment)
        return said.count("create:cache_miss")

    # After 200 lengths the first one's kernel is gone, which 1,024 of them would still hold.
    kept = compiled(ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024")
    assert kept >= 200
    assert compiled() > kept


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_not_given_back_to_the_system():
    def faults(*first: str, **environment: str) -> int:
        return int(measure("freed_blocks", *first, **environment))

    assert faults() > 10_000  # five of 20 MB, in pages of 4 kB
    assert faults("stages.model.loading", **warm_environment()) < 1_000
