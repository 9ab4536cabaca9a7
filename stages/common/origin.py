"""Where a base model comes from, in `origin.json` beside its weights: its adapter names it so."""

import json
from pathlib import Path

from stages.common.atomic_io import write_json

FILE = "origin.json"


def write_origin(model: Path, repository: str, commit: str) -> None:
    """Say which repository of the hub the model's folder was downloaded from, at which commit."""
    write_json(model / FILE, {"repository": repository, "commit": commit})


def read_origin(model: Path) -> tuple[str, str] | None:
    """Repository and commit, or None where the model did not come from a hub."""
    if not (model / FILE).exists():
        return None
    origin = json.loads((model / FILE).read_text(encoding="utf-8"))
    return origin["repository"], origin["commit"]
