"""Find the files of each split in a hub's dataset, by their paths."""

import re
from pathlib import PurePosixPath

from stages.common.cli import UserError
from stages.sources.unpacking import COMPRESSED

SPLIT_NAMES = {"train": "train", "validation": "validation|val|valid|dev", "test": "test"}
# If a dataset is stored in several formats, the first one here is read.
FORMATS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx")


def split_files(names: list[str], config: str | None) -> dict[str, list[str]]:
    """Data files of each split, by a word in their path, such as `data/train-00000.parquet`.

    The words are those of the `datasets` library. `config` is a folder in the path. A split without
    files is an empty list. Raises `UserError` if train has no files, or if the files of a split are
    in several folders.
    """
    inside = [n for n in names if config is None or config in PurePosixPath(n).parts[:-1]]
    for suffix in FORMATS:
        found = {split: [] for split in SPLIT_NAMES}
        for name in (n for n in inside if file_extension(n) == suffix):
            for split, words in SPLIT_NAMES.items():
                if re.search(rf"(?:^|[/_.-])(?:{words})(?![a-z])", name):
                    found[split].append(name)
        if found["train"]:
            break
    else:
        raise UserError(
            f"found no .parquet, .jsonl, .json or .csv file of the train split"
            f"{f' in a folder {config}' if config else ''}: see fetch.dataset.hub.config, or set"
            " fetch.dataset.hub.revision: refs/convert/parquet, the hub's own conversion"
        )
    for split, paths in found.items():
        folders = sorted({str(PurePosixPath(path).parent) for path in paths})
        if len(folders) > 1:
            raise UserError(
                f"{split} is in several folders, {', '.join(folders)}:"
                " set fetch.dataset.hub.config to one"
            )
    return found


def file_extension(name: str) -> str:
    """The extension that gives the format, without that of a compression."""
    path = PurePosixPath(name.lower())
    return path.with_suffix("").suffix if path.suffix in COMPRESSED else path.suffix
