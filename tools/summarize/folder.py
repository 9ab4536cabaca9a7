"""The folder of an archive's summaries, on this machine or at a URL that fsspec knows.

A file appears in it complete or not at all: on disks it is written aside and renamed, and an object
store shows an object when its last byte is there.
"""

import json
import posixpath
import uuid
from contextlib import suppress
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from stages.common.atomic_io import disk_errors
from stages.common.cli import UserError
from tools.summarize.shards import Shard, open_filesystem, store_errors

ABOUT = "archive.json"
ASIDE = ".writing"  # a folder


class Folder:
    def __init__(self, url: str):
        self.url = url
        self.fs, self.root = open_filesystem(url)
        self.local = isinstance(self.fs, LocalFileSystem)

    def start(self, about: dict) -> None:
        """Take up the folder: new, or begun by a run with the same `about`."""
        there = self.read(ABOUT)
        begun = json.loads(there) if there else None
        if begun == about:
            return
        if self.names() - {ABOUT}:
            if begun is None:
                raise UserError(f"{self.url} has files and no {ABOUT}: name an empty folder")
            what = ", ".join(key for key in about if begun.get(key) != about[key])
            raise UserError(
                f"{self.url} was begun with other settings ({what}): name another folder"
            )
        self.write(ABOUT, (json.dumps(about, indent=2) + "\n").encode())

    def read(self, name: str) -> bytes | None:
        with store_errors(self.url, "read"), suppress(FileNotFoundError):
            return self.fs.cat_file(self.path(name))
        return None

    def names(self) -> set[str]:
        """All files that are complete, as paths below the folder."""
        found = []
        with store_errors(self.url, "listed"), suppress(FileNotFoundError):
            found = self.fs.find(self.root)
        names = {posixpath.relpath(file, self.root) for file in found}
        return {name for name in names if not name.startswith(ASIDE)}

    def missing(self, shards: list[Shard]) -> list[Shard]:
        """The shards without summaries."""
        there = self.names()
        return [shard for shard in shards if summaries_of(shard) not in there]

    def write(self, name: str, content: bytes) -> None:
        path = self.path(name)
        if not self.local:
            with store_errors(self.url, "written"):
                self.fs.pipe_file(path, content)
            return
        aside = Path(self.path(ASIDE)) / uuid.uuid4().hex
        with disk_errors(Path(path)):
            aside.parent.mkdir(parents=True, exist_ok=True)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            try:
                aside.write_bytes(content)
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)

    def path(self, name: str) -> str:
        return posixpath.join(self.root, name)


def summaries_of(shard: Shard) -> str:
    return f"{shard.name}.parquet"


def rejected_of(shard: Shard) -> str:
    return f"{shard.name}.rejected.jsonl"
