"""Data and cases beside the repository, which are not part of it."""

import os
from pathlib import Path

import pytest

from tests.helpers.data import ROOT


def shared(name: str) -> Path:
    """A file or folder of the folder that holds `data` and `cases`; skips where it is not there.

    `SUMMARIZER_DATA` names its `data`.
    """
    data = Path(os.environ.get("SUMMARIZER_DATA", ROOT / "../shared/data"))
    path = data.resolve().parent / name
    if not path.exists():
        pytest.skip(f"{name} is not there: SUMMARIZER_DATA names the folder beside it")
    return path
