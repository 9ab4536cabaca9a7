"""A CPU's kernels, compiled for every length that training meets, do not fill the memory."""

import os
import subprocess
import sys

import pytest
from data_helpers import ROOT

from stages.common.models import choose_hardware

GROWTH = """
import stages.common.models, torch
def resident(): return int(open("/proc/self/statm").read().split()[1])
layer = torch.nn.Linear(576, 1536, bias=False).bfloat16()
before = resident()
with torch.no_grad():
    for length in range(16, 1016):
        layer(torch.zeros(1, length, 576, dtype=torch.bfloat16))
print(resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="Linux counts the pages")
@pytest.mark.skipif("this CPU has bf16" not in choose_hardware().reason, reason="no CPU with bf16")
def test_few_compiled_kernels_are_kept():
    def pages(**environment: str) -> int:
        command = [sys.executable, "-c", GROWTH]
        done = subprocess.run(
            command, env=os.environ | environment, cwd=ROOT, capture_output=True, check=True
        )
        return int(done.stdout)

    assert pages() < 0.75 * pages(ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024")
