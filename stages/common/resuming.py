"""Work that a stage has done so far, found again by a run that would do the same work only.

It lives in a folder that DVC does not know, named by everything that decides the run's result:
a declared output would be wiped before its stage runs.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from stages.common.atomic_io import write_json

SEAL = "sha256.json"  # written last: a checkpoint without it is half a checkpoint
LIBRARIES = ("torch", "transformers", "peft")


def fingerprint(settings: str, inputs: Iterable[Path]) -> str:
    """16 hex digits of the settings, the input files' content, and the code that works on them."""
    packages = " ".join(f"{name}-{version(name)}" for name in LIBRARIES)
    digest = hashlib.sha256(f"{settings} {packages}".encode())
    for file in [*sorted(inputs), *loaded_code()]:
        digest.update(file.name.encode())
        digest.update(sha256(file).encode())
    return digest.hexdigest()[:16]


def loaded_code() -> list[Path]:
    """The pipeline's own files that this process has imported."""
    here = Path(__file__).resolve().parents[1]
    files = {Path(m.__file__).resolve() for m in sys.modules.values() if getattr(m, "__file__", 0)}
    return sorted(file for file in files if here in file.parents)


def sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def seal(checkpoint: Path) -> None:
    """Say that every file of the checkpoint is written, and what is in it."""
    files = sorted(path for path in checkpoint.iterdir() if path.is_file())
    write_json(checkpoint / SEAL, {file.name: sha256(file) for file in files})


def is_complete(checkpoint: Path) -> bool:
    try:
        hashes = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        return all(sha256(checkpoint / name) == value for name, value in hashes.items())
    except (OSError, ValueError, AttributeError):
        return False
