"""Families of base models train, generate and export as docs/base-models.md says."""

import os

import pytest

from benchmarks.base_models import PAGE, outcome, small_params
from benchmarks.families import families
from tests.helpers.data import ROOT

# One of each kind; FAMILIES=all takes every family that transformers has, in some minutes.
KINDS = (
    "bloom",  # positions by distance
    "codegen",  # adds the mask
    "deepseek_v3",  # keys and values of other sizes, experts
    "falcon",  # linear layers of its own
    "gemma3",  # sees too, windows
    "gemma3n_text",  # layers without keys of their own; no gradient where an embedding is zero
    "gpt2",  # learnt positions
    "llama",
    "mamba",  # recurrent
    "mixtral",  # experts of one weight together, their balance in the loss
    "modernbert-decoder",  # calls its output embedding its decoder
    "phi3",  # fused layers
    "qwen2_vl",  # sees too, its text part is not built alone
    "roberta",  # reads ahead
    "t5gemma2",  # an encoder-decoder
    "zamba",  # blocks that are used again
)
CHOSEN = families() if os.environ.get("FAMILIES") == "all" else KINDS


def rows() -> dict[str, tuple[str, ...]]:
    lines = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in lines if "| " in line
    ]
    return {name: tuple(others) for name, *others in cells}


def test_the_page_has_every_family_and_no_failure():
    found = rows()
    assert set(families()) <= set(found)
    assert not [name for name, cells in found.items() if "FAILS" in " ".join(cells)]


@pytest.mark.parametrize("name", CHOSEN)
def test_a_family_does_what_the_page_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = [cell for cell in outcome(name, tmp_path / "base", small_params()) if cell]
    assert [cell for cell in rows()[name] if cell] == found
