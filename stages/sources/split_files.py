"""Which files of a hub's dataset hold a split, told by their paths."""

import re
from pathlib import PurePosixPath

from stages.common.cli import UserError
from stages.sources.unpacking import PACKED

SPLIT_NAMES = {"train": "train", "validation": "validation|val|valid|dev", "test": "test"}
# Of a dataset kept in several formats, the first.
FORMATS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx")


def split_files(names: list[str], config: str | None) -> dict[str, list[str]]:
    """Data files of each split, told by a word of their path, such as `data/train-00000.parquet`.

    The words are those by which the library `datasets` tells them.
    `config` is a folder of the path. A split that has none is an empty list. Raises `UserError`
    where train has none, or where a split stands in several folders.
    """
    inside = [n for n in names if config is None or config in PurePosixPath(n).parts[:-1]]
    for suffix in FORMATS:
        found = {split: [] for split in SPLIT_NAMES}
        for name in (n for n in inside if ending(n) == suffix):
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


def ending(name: str) -> str:
    """The end of the name that says the format, whatever the file is packed with."""
    path = PurePosixPath(name.lower())
    return path.with_suffix("").suffix if path.suffix in PACKED else path.suffix
