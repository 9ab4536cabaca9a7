"""Data and test cases outside the repository."""

import os
from pathlib import Path

import pytest

from tests.helpers.data import ROOT


def shared(name: str) -> Path:
    """The path of a file or folder there. Skips the test if it does not exist.

    `SUMMARIZER_DATA` names the folder `data`, which is next to `cases`.
    """
    data = Path(os.environ.get("SUMMARIZER_DATA", ROOT / "../shared/data"))
    path = data.resolve().parent / name
    if not path.exists():
        pytest.skip(f"{name} is not there: SUMMARIZER_DATA names the folder beside it")
    return path
