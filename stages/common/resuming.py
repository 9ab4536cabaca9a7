"""Resume a stage's unfinished work, but only in a run that would have the same result.

The work is in a folder whose name is a fingerprint of all that determines the result. The folder is
not an output in `dvc.yaml`, because DVC deletes outputs before it runs their stage.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from stages.common.atomic_io import write_json

CHECKSUMS = "sha256.json"  # written last: a checkpoint without it is incomplete
LIBRARIES = ("torch", "transformers", "peft")


def fingerprint(settings: str, inputs: Iterable[Path]) -> str:
    """16 hex digits that change with the settings, the input files, the libraries or the code."""
    packages = " ".join(f"{name}-{version(name)}" for name in LIBRARIES)
    digest = hashlib.sha256(f"{settings} {packages}".encode())
    for file in [*sorted(inputs), *loaded_code()]:
        digest.update(file.name.encode())
        digest.update(sha256(file).encode())
    return digest.hexdigest()[:16]


def loaded_code() -> list[Path]:
    """The files of this pipeline that the process has imported."""
    here = f"{Path(__file__).parents[1]}{os.sep}"
    # As text, for to resolve the paths of all of torch's modules takes a second.
    files = {getattr(module, "__file__", None) or "" for module in sys.modules.values()}
    return sorted(Path(file) for file in files if file.startswith(here))


def sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def mark_complete(checkpoint: Path) -> None:
    """Write the checksums of all files of the checkpoint. Call it when the last one is written."""
    files = sorted(path for path in checkpoint.iterdir() if path.is_file())
    write_json(checkpoint / CHECKSUMS, {file.name: sha256(file) for file in files})


def is_complete(checkpoint: Path) -> bool:
    """Whether every file that `mark_complete` saw is still there, unchanged."""
    try:
        hashes = json.loads((checkpoint / CHECKSUMS).read_text(encoding="utf-8"))
        return all(sha256(checkpoint / name) == value for name, value in hashes.items())
    except (OSError, ValueError, AttributeError):
        return False
