"""The files of an archive: found in folders, by patterns and at any URL that fsspec knows."""

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import fsspec
from fsspec.core import has_magic, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from stages.common.cli import UserError
from stages.sources.tables import FORMATS
from stages.sources.unpacking import format_of


class Shard(NamedTuple):
    """A file of conversations. `name` is its path below its source, and names its summaries."""

    url: str
    name: str
    size: int  # bytes


def find_shards(sources: Iterable[str]) -> tuple[list[Shard], list[str]]:
    """The shards of all sources, sorted by name, and the files of folders that are no tables.

    A `UserError` says what is not there, which package a URL needs, and which names stand twice.
    """
    shards, others = {}, []
    for source in sources:
        for shard, chosen in files_of(source):
            if not chosen and format_of(Path(shard.name)) not in FORMATS:
                others.append(shard.url)
            elif shards.setdefault(shard.name, shard).url != shard.url:
                raise UserError(
                    f"{shards[shard.name].url} and {shard.url} would have one name for their"
                    " summaries: give each a folder of its own with --out"
                )
    if not shards:
        raise UserError(f"{', '.join(sources)}: no table is there to summarise")
    return [shards[name] for name in sorted(shards)], others


def files_of(source: str) -> Iterator[tuple[Shard, bool]]:
    """Files of one source, and whether it names them."""
    fs, path = open_filesystem(source)
    path = path.rstrip("/") or "/"
    with store_errors(source, "listed"):
        if fs.isfile(path):
            root, found, chosen = posixpath.dirname(path), {path: fs.info(path)}, True
        elif has_magic(path):
            # What comes before the first * ? [ is no part of the names.
            root = posixpath.dirname(path[: min(path.find(c) for c in "*?[" if c in path)])
            found, chosen = fs.glob(path, detail=True), True
        else:
            root, found, chosen = path, fs.find(path, detail=True), False
    if not found:
        raise UserError(f"{source} does not exist or holds no file")
    for file, facts in found.items():
        name = posixpath.relpath(file, root or "/") if root else file
        hidden = any(part.startswith((".", "_")) for part in name.split("/"))
        if facts["type"] == "file" and (chosen or not hidden):
            url = file if isinstance(fs, LocalFileSystem) else fs.unstrip_protocol(file)
            yield Shard(url, name, facts.get("size") or 0), chosen


def open_filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        return url_to_fs(url)
    except ImportError as error:
        raise UserError(f"{url}: {error}") from None  # it names the package
    except ValueError as error:
        raise UserError(f"{url} is no path or URL of a known kind: {error}") from None


@contextmanager
def store_errors(url: str, done: str) -> Iterator[None]:
    """Turn what a store raises into a `UserError`: the URL cannot be read, listed or written."""
    try:
        yield
    except Exception as error:  # noqa: BLE001, each store has its own
        why = f"{type(error).__name__}: {error}"
        raise UserError(f"{url} cannot be {done}: {why}") from None


@contextmanager
def local_copy(shard: Shard) -> Iterator[Path]:
    """The shard as a file of this machine, which is removed afterwards if it is a copy."""
    fs, path = open_filesystem(shard.url)
    if isinstance(fs, LocalFileSystem):
        yield Path(path)
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / posixpath.basename(path)
        with store_errors(shard.url, "read"):
            fs.get_file(path, str(copy))
        yield copy
