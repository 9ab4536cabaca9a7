"""Which files hold the data, what they are, and where the pipeline is to read them from."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import UserError
from stages.common.parquet import SPLITS
from stages.params import OUTPUTS
from stages.sources import csv_files, excel
from stages.sources.csv_dialect import dialect_of
from stages.sources.json_columns import concatenated
from stages.sources.split_files import SPLIT_NAMES
from stages.sources.tables import FORMATS, read_tables
from stages.sources.text import encoding_of, open_text
from stages.sources.unpacking import format_of

# People write more than hubs do.
WORDS = {
    "train": "train|training|trn",
    "validation": f"{SPLIT_NAMES['validation']}|devel|development",
    "test": "test|testing|tst|hold[_ -]?out|held[_ -]?out",
}
EITHER = "eval|evaluation"  # the test split, or validation where another is called test
SAMPLE = 20_000  # rows of a split that are looked at
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass
class Source:
    """Files of each split, by their names in `folder`; `left_out` are those of none."""

    folder: Path
    files: dict[str, list[str]]
    left_out: list[str]

    def paths(self, split: str) -> list[Path]:
        return [self.folder / name for name in self.files[split]]

    def every(self) -> list[Path]:
        return [path for split in SPLITS for path in self.paths(split)]

    def name(self, split: str) -> str | None:
        """The one name, or a pattern that fits the split's files and no other."""
        names = self.files[split]
        if len(names) < 2:
            return names[0] if names else None
        start = os.path.commonprefix(names)  # noqa: RUF071, of characters
        end = os.path.commonprefix([n[::-1] for n in names])[::-1]  # noqa: RUF071
        # What begins alike and what ends alike may overlap in the shortest name.
        overlap = max(0, len(start) + len(end) - min(map(len, names)))
        pattern = f"{start}*{end[overlap:]}"
        found = {path for path in self.folder.glob(pattern) if path.is_file()}
        if found != set(self.paths(split)):
            raise UserError(
                f"{self.folder}: no pattern fits the {len(names)} files of {split} alone: put each"
                " split into a folder of its own, such as train/"
            )
        return pattern


def find_files(path: Path) -> Source:
    """The data files at `path`. In a folder, names such as train.csv or dev/part-1.json tell splits."""
    need(path, "name a file or a folder")
    if path.is_file():
        if format_of(path) not in FORMATS:
            raise UserError(
                f"{path} is no table: conversations and summaries are read from .csv, .tsv, .json,"
                " .jsonl, .ndjson, .parquet and .xlsx files"
            )
        return Source(path.parent, {"train": [path.name], "validation": [], "test": []}, [])
    names = sorted(
        str(file.relative_to(path))
        for file in path.rglob("*")
        if file.is_file() and format_of(file) in FORMATS and not file.name.startswith(".")
    )
    if not names:
        raise UserError(
            f"{path} holds no .csv, .tsv, .json, .jsonl, .ndjson, .parquet or .xlsx file"
        )
    splits = {name: split_of(name) for name in names}
    other = "validation" if "test" in splits.values() else "test"
    splits |= {name: other for name in names if not splits[name] and names_split(name, EITHER)}
    files = {split: [name for name in names if splits[name] == split] for split in SPLITS}
    if not files["train"]:  # what says of no split where it belongs
        files["train"] = [name for name in names if splits[name] is None] or names
    if files["train"] == names:
        files |= {"validation": [], "test": []}
    used = {name for some in files.values() for name in some}
    return Source(path, files, [name for name in names if name not in used])


def split_of(name: str) -> str | None:
    return next((split for split, words in WORDS.items() if names_split(name, words)), None)


def names_split(name: str, words: str) -> bool:
    """Whether one of the words stands in a file's name, also as chatsTrain or trainSet."""
    begins = r"(?:^|[/_. -]|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
    ends = r"(?-i:(?![a-z]|(?<=[A-Z])[A-Z]))"
    return bool(re.search(rf"{begins}(?:{words}){ends}", name, re.IGNORECASE))


def read_sample(paths: list[Path]) -> tuple[pa.Table, int]:
    """The first rows of files, and how many there are."""
    kept, rows = [], 0
    for batch in read_tables(paths):
        if rows < SAMPLE:
            kept.append(pa.Table.from_batches([batch.slice(0, SAMPLE - rows)]))
        rows += batch.num_rows
    if not rows:
        raise UserError(f"{paths[0]} holds no rows")
    return concatenated(kept), rows


def describe(path: Path) -> str:
    """Format, encoding and separator of a file, for people."""
    kind = format_of(path)
    if kind == "parquet" or kind in excel.FORMATS:
        return kind
    encoding = encoding_of(path)
    if kind not in ("csv", "tsv"):
        return f"{kind}, {encoding.name.upper()}"
    with open_text(path, encoding) as file:
        sample = file.read(csv_files.SAMPLE).decode(errors="ignore")
    dialect = dialect_of(sample, path.name.lower())
    separator = SEPARATORS.get(dialect.separator, repr(dialect.separator))
    return f"{kind}, {encoding.name.upper()}, separator {separator}"


def dataset_settings(source: Source, name: str) -> dict:
    """`fetch.dataset` for these files. Where they lie beside others, or where DVC cannot watch
    their folder, they are copied to `data/NAME`, which Git ignores."""
    files = {split: source.name(split) for split in SPLITS}
    folder = source.folder.resolve()
    if not watchable(folder, {path.resolve() for path in source.every()}):
        copy = Path("data") / name
        copy_files(source, copy)
        return {"source": "files", "path": copy.as_posix(), "files": files}
    root = Path.cwd()
    path = folder.relative_to(root) if folder.is_relative_to(root) else folder
    return {"source": "files", "path": path.as_posix(), "files": files}


def watchable(folder: Path, used: set[Path]) -> bool:
    """Whether DVC can watch the folder: nothing else lies in it and the pipeline writes nothing."""
    root = Path.cwd()
    written = [(root / output).resolve() for output in OUTPUTS]
    if any(folder == out or folder in out.parents or out in folder.parents for out in written):
        return False
    others = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    return all(file.resolve() in used or file.name.startswith(".") for file in others)


def copy_files(source: Source, copy: Path) -> None:
    with atomic_write(copy) as aside:
        for path in source.every():
            target = aside / path.relative_to(source.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (aside / ".gitignore").write_text("*\n", encoding="utf-8")
