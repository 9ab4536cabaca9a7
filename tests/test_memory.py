"""A CPU's kernels, compiled for every length that training meets, do not fill the memory."""

import os
import subprocess
import sys

import pytest
from data_helpers import ROOT

from stages.common.models import choose_hardware

FIRST_LENGTH_TWICE = """
import stages.common.models, torch
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
