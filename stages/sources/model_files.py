"""The files of a model that are copied: config, tokenizer and safetensors, but no pickles."""

import os
import shutil
from pathlib import Path, PurePath

from stages.common.cli import UserError

SUFFIXES = {".json", ".safetensors", ".model", ".txt", ".jinja"}


def model_files(names: list[str], source: str) -> list[str]:
    """Select the files that `transformers` needs from those of a folder or repository.

    Only files at the top level count. If some safetensors are named `model*`, only those are taken:
    repositories may hold other copies of the weights. Raises `UserError` if config or weights are
    missing.
    """
    top = [name for name in names if "/" not in name and PurePath(name).suffix in SUFFIXES]
    weights = [name for name in top if name.endswith(".safetensors")]
    if "config.json" not in top:
        raise UserError(f"{source} holds no config.json: it is not a Hugging Face model")
    if not weights:
        raise UserError(f"{source} holds no .safetensors: other weight formats are not loaded")
    usual = [name for name in weights if name.startswith("model")]
    return [name for name in top if name not in weights or name in (usual or weights)]


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link the file, because weights are large; copy it if the disk does not allow links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
