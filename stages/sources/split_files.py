"""Which files of a hub's dataset hold a split, told by their paths."""

import re
from pathlib import PurePosixPath

from stages.common.cli import UserError

SPLIT_NAMES = {"train": "train", "validation": "validation|val|valid|dev", "test": "test"}
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")  # of a dataset kept in several, the first


def split_files(names: list[str], config: str | None) -> dict[str, list[str]]:
    """Data files of each split, told by a word of their path, such as `data/train-00000.parquet`.

    The words are those by which the library `datasets` tells them.
    `config` is a folder of the path. A split that has none is an empty list. Raises `UserError`
    where train has none, or where a split stands in several folders.
    """
    inside = [n for n in names if config is None or config in PurePosixPath(n).parts[:-1]]
    for suffix in SUFFIXES:
        found = {split: [] for split in SPLIT_NAMES}
        for name in (n for n in inside if n.endswith(suffix)):
            for split, words in SPLIT_NAMES.items():
                if re.search(rf"(?:^|[/_.-])(?:{words})(?![a-z])", name):
                    found[split].append(name)
        if found["train"]:
            break
    else:
        raise UserError(
            f"no .parquet, .jsonl, .json or .csv file of a train split"
            f"{f' in a folder {config}' if config else ''}: see fetch.dataset.hub.config, or set"
            " fetch.dataset.hub.revision: refs/convert/parquet, the hub's own conversion"
        )
    for split, paths in found.items():
        folders = sorted({str(PurePosixPath(path).parent) for path in paths})
        if len(folders) > 1:
            raise UserError(
                f"{split} stands in {', '.join(folders)}: set fetch.dataset.hub.config to one"
            )
    return found
