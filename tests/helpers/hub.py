"""Helpers for tests of fetch from a hub: a dataset, a model, and a run of fetch."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.common.cli import UserError
from stages.fetch import fetch_dataset
from tests.helpers.data import leftovers, project, texts


def parquet(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


TRAIN = parquet(texts(3000))
FILES = {
    "README.md": b"# Data",
    "data/train-00000-of-00002.parquet": TRAIN,
    "data/train-00001-of-00002.parquet": parquet(texts(5, "more")),
    "data/test-00000-of-00001.parquet": parquet(texts(4, "test")),
}
FIRST = "data/train-00000-of-00002.parquet"
MODEL = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model.safetensors": b"weights" * 1000,
    "pytorch_model.bin": b"pickle",
    "original/consolidated.00.safetensors": b"the same again",
    "consolidated.safetensors": b"the same again",
    "modeling_tiny.py": b"raise SystemExit",
}


def fetch(tmp_path, monkeypatch, **edits: object) -> None:
    """Run fetch on the dataset lab/talks. `edits` change settings below `fetch.dataset.`."""
    settings = {"source": "hub", "hub.id": "lab/talks", "hub.config": None} | edits
    params = project(tmp_path, monkeypatch, {f"fetch.dataset.{k}": v for k, v in settings.items()})
    fetch_dataset(params.fetch.dataset)


def refused(tmp_path, monkeypatch, **edits: object) -> str:
    """Run fetch, which must fail and keep the old data; return its error sentence."""
    (tmp_path / "data/raw").mkdir(parents=True, exist_ok=True)
    (tmp_path / "data/raw/old").touch()
    with pytest.raises(UserError) as error:
        fetch(tmp_path, monkeypatch, **edits)
    assert [path.name for path in Path("data/raw").iterdir()] == ["old"]
    assert not leftovers()
    assert "\n" not in str(error.value)
    return str(error.value)
