"""A CPU's memory is not filled by compiled kernels, and what tensors leave is used again."""

import os
import platform
import subprocess
import sys

import pytest

from stages.model.hardware import choose_hardware
from tests.helpers.data import ROOT

FIRST_LENGTH_TWICE = """
import stages.model.loading, torch
layer = torch.nn.Linear(64, 64, bias=False).bfloat16()
with torch.no_grad():
    for length in (*range(16, 216), 16):
        layer(torch.zeros(1, length, 64, dtype=torch.bfloat16))
"""


@pytest.mark.skipif("this CPU has bf16" not in choose_hardware().reason, reason="no CPU with bf16")
def test_few_compiled_kernels_are_kept():
    def compiled(**environment: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", FIRST_LENGTH_TWICE],
            env=os.environ | {"ONEDNN_VERBOSE": "2"} | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.count("create:cache_miss")

    # After 200 lengths the first one's kernel is gone, which 1,024 of them would still hold.
    kept = compiled(ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024")
    assert kept >= 200
    assert compiled() > kept


BLOCKS_AGAIN_AND_AGAIN = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(9):
    before = faults()
    blocks = [ctypes.c_void_p(libc.malloc(20_000_000)) for _ in range(5)]
    for block in blocks:
        libc.memset(block, 1, 20_000_000)
    for block in blocks:
        libc.free(block)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_not_given_back_to_the_system():
    def faults(first: str) -> int:
        command = [sys.executable, "-c", first + BLOCKS_AGAIN_AND_AGAIN]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("") > 10_000  # five of 20 MB, in pages of 4 kB
    assert faults("import stages.model.loading\n") < 1_000
