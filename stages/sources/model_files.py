"""What a model's folder is made of: config, tokenizer and safetensors; pickles stay behind."""

import os
import shutil
from pathlib import Path, PurePath

from stages.common.cli import UserError

SUFFIXES = {".json", ".safetensors", ".model", ".txt", ".jinja"}


def model_files(names: list[str], source: str) -> list[str]:
    """The names that `transformers` needs, of a folder's or a repository's files.

    Only its top is looked at, and of safetensors `model*` if there are such: repositories keep
    other copies of the weights beside them. Raises `UserError` where config or weights lack.
    """
    top = [name for name in names if "/" not in name and PurePath(name).suffix in SUFFIXES]
    weights = [name for name in top if name.endswith(".safetensors")]
    if "config.json" not in top:
        raise UserError(f"{source} holds no config.json: it is no Hugging Face model")
    if not weights:
        raise UserError(f"{source} holds no .safetensors: other weight formats are not loaded")
    usual = [name for name in weights if name.startswith("model")]
    return [name for name in top if name not in weights or name in (usual or weights)]


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file there too: by a link where the disk allows it, for weights are large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
