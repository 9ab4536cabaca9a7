"""The tuned model's summaries of a revision, where this machine has them."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from tools.compare.content import md5

PATH = "data/summaries/tuned.jsonl"


def read_summaries(locked: dict[str, dict]) -> dict[str, str] | None:
    """Summary by dialogue, from the working tree or DVC's cache; None where neither has them.

    `locked` is the revision's dvc.lock.
    """
    content = read_out(locked, PATH)
    if content is None:
        return None
    rows = map(json.loads, content.splitlines())  # of bytes: an id may hold a U+2028
    return {row["id"]: row["summary"] for row in rows}


def read_out(locked: dict[str, dict], path: str) -> bytes | None:
    """A file that a stage has made: only one with the hash that dvc.lock names is taken."""
    hashes = [
        out.get("md5") or ""
        for stage in locked.values()
        for out in stage.get("outs") or []
        if out["path"] == path
    ]
    for wanted in hashes:
        for file in (Path(path), cache_folder(Path.cwd()) / "files/md5" / wanted[:2] / wanted[2:]):
            content = file.read_bytes() if file.is_file() else b""
            if md5(content) == wanted:
                return content
    return None


@cache
def cache_folder(project: Path) -> Path:
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    return Path(done.stdout.strip() or ".dvc/cache")
