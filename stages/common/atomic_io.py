"""Atomic writes: an output is complete or absent. Disk errors name the path."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.common.cli import UserError

DISK_ERRORS = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EFBIG", "EIO", "ENOTDIR")
}


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path for a file or a folder; move it to `path` on success.

    On failure the temporary path is removed and `path` is unchanged. If the process is killed, `path`
    is complete or missing, and the next run removes the temporary path. Raises `UserError` with
    `path` if the disk fails.
    """
    path = Path(path)
    aside, old = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("tmp", "old"))
    with disk_errors(path, aside):
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f".{path.name}.*.*"):
            if is_stale(stale.name):
                remove(stale)
        try:
            yield aside
            if path.is_dir():  # os.replace cannot put a folder over a folder that has files
                os.replace(path, old)
            os.replace(aside, path)
        finally:
            if old.exists() and not path.exists():
                os.replace(old, path)
            remove(aside)
            remove(old)


@contextmanager
def disk_errors(path: Path, aside: Path | None = None) -> Iterator[None]:
    """Turn a disk error from any library into a `UserError` that names `path`."""
    try:
        yield
    except Exception as error:
        named = getattr(error, "filename", None)
        ours = not named or str(named).startswith((str(path), str(aside or path)))
        reason = disk_error_reason(error)
        if reason is None:
            raise
        where = path if ours else named
        raise UserError(f"{where} cannot be written: {reason}") from None


def disk_error_reason(error: BaseException) -> str | None:
    """What went wrong on the disk, or None for any other error.

    The messages of safetensors and arrow contain the error number. Torch says only that it failed.
    """
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return os.strerror(error.errno)
    number = re.search(r"(?:os error|errno) (\d+)", str(error), re.IGNORECASE)
    if number and int(number[1]) in DISK_ERRORS:
        return os.strerror(int(number[1]))
    if re.search(r"PytorchStreamWriter|file write failed|unexpected pos", str(error)):
        return "the disk is full or broken"
    return None


def is_stale(name: str) -> bool:
    """Whether the name is that of a temporary path of `atomic_write` whose process has ended."""
    number = re.search(r"\.(\d+)\.(?:tmp|old)$", name)
    if not number:
        return False
    pid = int(number[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return pid == os.getpid()


def remove(path: Path) -> None:
    """Delete a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def need(path: str | Path, hint: str) -> Path:
    """The path, or a `UserError` with the hint if it does not exist."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist: {hint}")
    return path


def write_json(path: str | Path, value: object) -> None:
    with atomic_write(path) as aside:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        aside.write_text(text + "\n", encoding="utf-8")


def read_jsonl(path: str | Path) -> list[dict]:
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
