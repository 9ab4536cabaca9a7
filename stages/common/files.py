"""Outputs appear whole or not at all; inputs that are missing are named."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.cli import UserError

if TYPE_CHECKING:
    import pyarrow.parquet

SPLITS = ("train", "validation", "test")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file or a folder to; move it into place on success.

    On any failure what was written is removed and what stood at `path` is left as it was.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(aside)
    try:
        yield aside
        if path.is_dir():  # os.replace cannot put a folder over a folder that has files
            remove(path)
        os.replace(aside, path)
    finally:
        remove(aside)


def remove(path: Path) -> None:
    """Delete a file or a folder; neither has to exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def need(path: str | Path, hint: str) -> Path:
    """The path if it exists, else a `UserError` that names it and says what to do."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist: {hint}")
    return path


def open_parquet(path: str | Path, hint: str) -> "pyarrow.parquet.ParquetFile":
    """The table of a stage before; a `UserError` names the file where it is missing or broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Buffered ahead, a file would end up in memory whole while batches of it are read.
        return pq.ParquetFile(need(path, hint), pre_buffer=False)
    except pa.ArrowInvalid:
        raise UserError(f"{path} is not a table that can be read: {hint}") from None


def write_json(path: str | Path, value: object) -> None:
    with replacing(path) as aside:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        aside.write_text(text + "\n", encoding="utf-8")


def read_jsonl(path: str | Path) -> list[dict]:
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
