"""Checkpoints of one run, found again by that run only.

They live in a folder that DVC does not know, named by everything that decides the run's result:
a declared output would be wiped before its stage runs.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from transformers.trainer_utils import get_last_checkpoint


def fingerprint(settings: str, inputs: Iterable[Path]) -> str:
    """16 hex digits of the settings and of the content of the input files."""
    digest = hashlib.sha256(settings.encode())
    for file in sorted(inputs):
        digest.update(file.name.encode())
        with open(file, "rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint in `folder`, said aloud, or None."""
    found = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    if found:
        print(f"finetune: resuming from {found}", flush=True)
    return found
