"""Helpers for tests of fetch from files: example rows, and a run of fetch on one file."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from stages.fetch import fetch_dataset
from tests.helpers.data import project, read_rows

FILES = {
    "fetch.dataset.source": "files",
    "fetch.dataset.path": "in",
    "fetch.dataset.files": {"train": "train.jsonl", "validation": None, "test": None},
}


def talks(n: int = 36) -> list[dict[str, str]]:
    """Rows of text with quotes, separators and line breaks."""
    return [
        {
            "id": f"{i:03}",
            "dialogue": f'customer: the "blue" lamp {i} hums; it flickers, too\nagent: a new one | ✓',
            "summary": f"Lamp {i} hums, a new one comes.",
        }
        for i in range(n)
    ]


def fetched(tmp_path: Path, monkeypatch, name: str, content: bytes | Callable) -> list[dict]:
    """Run fetch on one file; return the rows of its train table.

    `content` is the bytes of the file, or a function that writes it to a path.
    """
    params = project(tmp_path, monkeypatch, FILES | {"fetch.dataset.files.train": name})
    Path("in").mkdir(exist_ok=True)
    if isinstance(content, bytes):
        Path("in", name).write_bytes(content)
    else:
        content(Path("in", name))
    fetch_dataset(params.fetch.dataset)
    return read_rows("data/raw/train.parquet")


def pack(path: Path, content: bytes, how: str) -> Path:
    """Write `content`, compressed by the format of extension `how`; return the path."""
    packed = path.with_name(path.name + how)
    match how:
        case "":
            packed.write_bytes(content)
        case ".gz":
            packed.write_bytes(gzip.compress(content))
        case ".bz2":
            packed.write_bytes(bz2.compress(content))
        case ".xz":
            packed.write_bytes(lzma.compress(content))
        case ".zst":
            packed.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
        case ".zip":
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr(path.name, content)
    return packed
