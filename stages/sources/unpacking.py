"""Decompress files: gzip, bzip2, xz, zstd, or a zip archive of one file."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from stages.common.cli import UserError

BLOCK = 1 << 20  # bytes
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def zstd(path: Path) -> BinaryIO:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="zstd")


# The first bytes decide, not the name: a file named .csv may be compressed too.
OPENERS: dict[bytes, Callable[[Path], BinaryIO]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": zstd,
}
ZIP = b"PK\x03\x04"


def format_of(path: Path) -> str:
    """The file's format by its name, such as `csv`, without the extension of a compression."""
    name = PurePath(path.name.lower())
    if name.suffix == ".zip":
        name = PurePath(only_member(path).lower())
    if name.suffix in COMPRESSED:
        name = name.with_suffix("")
    return name.suffix[1:]


def is_compressed(path: Path) -> bool:
    return path.suffix.lower() in COMPRESSED


def blocks(path: Path) -> Iterator[bytes]:
    """Blocks of the file's decompressed bytes. Raises `UserError` if the file is damaged."""
    with open(path, "rb") as file:
        magic = file.read(6)
    try:
        with opener(path, magic) as file:
            while block := file.read(BLOCK):
                yield block
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError) as error:
        why = "has a password" if "password" in str(error) else "is damaged or incomplete"
        raise UserError(f"{path} cannot be unpacked: it {why}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise UserError(f"{path} cannot be unpacked: it is damaged or incomplete") from None


def opener(path: Path, magic: bytes) -> BinaryIO:
    if magic.startswith(ZIP):
        return zipfile.ZipFile(path).open(only_member(path))
    opens = (opens for start, opens in OPENERS.items() if magic.startswith(start))
    return next(opens, lambda p: open(p, "rb"))(path)


def only_member(path: Path) -> str:
    """The name of the only file in a zip archive. Files that macOS adds do not count."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item.filename for item in archive.infolist() if not item.is_dir()]
    except zipfile.BadZipFile:
        raise UserError(f"{path} is not a zip archive") from None
    names = [n for n in names if not n.startswith("__MACOSX/") and not n.endswith(".DS_Store")]
    if len(names) != 1:
        raise UserError(f"{path} holds {len(names)} files: it must hold one, so unpack it")
    return names[0]
