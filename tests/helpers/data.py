"""Helpers for tests of the data stages: a project folder, raw tables, child processes."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from stages import clean
from stages.params import Params, load

ROOT = Path(__file__).resolve().parents[2]
SPLITS = ("train", "validation", "test")
# Mappings for `clean.columns`: with no column, and for a text with its summary.
NO_COLUMNS = dict.fromkeys(["id", "customer", "agent", "speaker", "text", "speaker_separator"])
TEXT = NO_COLUMNS | {"conversation": "text", "references": "summary"}
GONE = object()  # as a value in `edits`: remove the key


def write_params(folder: Path, edits: dict[str, object] | None = None) -> None:
    """Write the repository's params.yaml to `folder`, with dotted keys changed by `edits`."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for dotted, value in (edits or {}).items():
        *parents, leaf = dotted.split(".")
        section = raw
        for parent in parents:
            section = section[parent]
        if value is GONE:
            del section[leaf]
        else:
            section[leaf] = deepcopy(value)  # a later edit may change a part of it
    (folder / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")


def project(folder: Path, monkeypatch, edits: dict[str, object] | None = None) -> Params:
    """Make `folder` a project with its own params.yaml and change to it."""
    write_params(folder, edits)
    monkeypatch.chdir(folder)
    return load()


def write_splits(folder: str, **splits: list[dict]) -> None:
    """Write `folder/{split}.parquet`. A split that is not given is empty, as fetch writes it."""
    tables = {split: pa.Table.from_pylist(rows) for split, rows in splits.items()}
    Path(folder).mkdir(parents=True)
    for split in SPLITS:
        table = tables.get(split, tables["train"].slice(0, 0))
        pq.write_table(table, f"{folder}/{split}.parquet")


def read_rows(file: str | Path) -> list[dict]:
    return pq.read_table(file).to_pylist()


def leftovers() -> list[Path]:
    """Temporary paths that a stage has not removed."""
    return list(Path.cwd().rglob("*.tmp"))


def python(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *args]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def run_clean(
    folder: Path, monkeypatch, columns: dict | str | None, splits: dict, **knobs
) -> dict[str, list[dict]]:
    """Run clean on raw rows; return the rows of each split.

    `columns` is a mapping, "auto", or None for that of params.yaml.
    """
    edits = {f"clean.{name}": value for name, value in knobs.items()}
    if columns == "auto":
        edits["clean.columns"] = columns
    elif columns:
        edits |= {f"clean.columns.{name}": value for name, value in columns.items()}
    project(folder, monkeypatch, edits)
    write_splits("data/raw", **splits)
    clean.main()
    assert not leftovers()
    return {split: read_rows(f"data/clean/{split}.parquet") for split in SPLITS}


def texts(n: int, name: str = "talk") -> list[dict]:
    return [{"text": f"{name} number {i}", "summary": f"{name} {i}"} for i in range(n)]


def three(train: list[dict]) -> dict[str, list[dict]]:
    return {"train": train, "validation": texts(1, "validation"), "test": texts(1, "test")}


def pair(customer: str | None, agent: str | None) -> dict:
    return {"turn id": 1, "user utterance": customer, "system response": agent, "side": "{}"}


def studio(name: str, log: object, references: object) -> dict:
    info = json.dumps({"summaries": {"abstractive_summaries": references}})
    return {"original dialog id": name, "dialog index": 1, "original dialog info": info, "log": log}
