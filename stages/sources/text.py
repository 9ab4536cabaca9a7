"""Read text files of any encoding as UTF-8.

The encoding is the first that fits: the one of a byte-order mark; UTF-16, by its zero bytes; UTF-8;
Windows' cp1252, if the result looks like text of a Western language. A detector only guesses, and
errs on short files, so its guess is used in the error message alone.
"""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from stages.common.cli import UserError
from stages.sources.unpacking import blocks

MARKS = {  # UTF-32 first: its mark begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SAMPLE = 1 << 16  # bytes
MAX_ACCENTED = 0.3  # a larger share of accented letters means another alphabet
MAX_ODD = 0.1  # a larger share of odd lines means another encoding
# A sign inside a word, or a capital after a small letter: `by³o`, `rŽsumŽ`.
MISPLACED = re.compile(
    r"(?<=[^\W\d_])[¡-©«-´¶-¹»-¿×÷ˆ˜‚“„†-‰‹›€™](?=[^\W\d_])|(?<=[a-z])[À-ÖØ-ÞŠŒŽŸ]"
)
HYPHENS = re.compile("[´·\xad]")
ACCENTED = re.compile("[À-ÖØ-öø-ÿŒœŠšŽžŸƒ]")
ALPHABETS = [  # French, German, Spanish, Portuguese, Italian, Danish, Swedish, Icelandic, Dutch, …
    *("àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíóúüñ", "áàâãçéêíóôõúü", "àèéìîòóù", "æøåéäö", "åäöéü"),
    *("áðéíóúýþæö", "éëïöüèáóêç", "àçèéíïòóúü", "äöüõšž"),
]


class Encoding(NamedTuple):
    name: str
    errors: str = "strict"  # or replace, if some bytes are broken
    note: str = ""  # what to tell the user, without the file's name


def open_text(path: Path, encoding: Encoding) -> BinaryIO:
    """The file's text as a stream of UTF-8 bytes, without a byte-order mark."""
    return io.BufferedReader(Stream(utf8_blocks(path, encoding)), buffer_size=1 << 16)


def read_text(path: Path) -> str:
    return open_text(path, encoding_of(path)).read().decode()


def utf8_blocks(path: Path, encoding: Encoding) -> Iterator[bytes]:
    if encoding == Encoding("utf-8"):
        return blocks(path)
    return (text.encode() for text in decode_blocks(path, encoding.name, encoding.errors))


def encoding_of(path: Path) -> Encoding:
    """The encoding of the file. Raises `UserError` with the likely one if it is not supported."""
    head = next(blocks(path), b"")
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return check_encoding(path, name)
    wide = detect_utf16(head[:SAMPLE])
    if wide and can_decode(path, wide):
        return Encoding(wide)
    return check_encoding(path, "utf-8")


def check_encoding(path: Path, name: str) -> Encoding:
    """The encoding `name`, with a note if some characters are broken, or cp1252 if most are."""
    if can_decode(path, name):
        return Encoding(name)
    broken = good = 0
    for text in decode_blocks(path, name, "replace"):
        broken += text.count("\ufffd")
        good += len(re.findall(r"[^\x00-\x7f\ufffd]", text))
    if good > 4 * broken or name not in ("utf-8", "utf-8-sig"):
        note = f"{broken} characters are not {name.upper()} and become U+FFFD"
        return Encoding(name, "replace", note)
    return detect_western(path)


def detect_western(path: Path) -> Encoding:
    sample = unusual_lines(path)
    if len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", sample)) > len(sample) / 100:
        raise UserError(f"{path} is not a text file")
    if is_plausible_cp1252(sample):
        return Encoding("cp1252", note="not UTF-8, read as Windows' cp1252: check the accents")
    name = guess_encoding(sample)
    looks = f"may be {name}" if name else "is in an unknown encoding"
    convert = f"iconv -f {name or 'ITS-ENCODING'} -t UTF-8 {path.name} > utf8-{path.name}"
    raise UserError(f"{path} is not UTF-8, it {looks}: save it as UTF-8, or run `{convert}`")


def is_plausible_cp1252(sample: bytes) -> bool:
    """Whether the bytes, read as cp1252, look like text of a Western language."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    letters, accented = sum(map(str.isalpha, text)), len(ACCENTED.findall(text))
    lines = text.splitlines()
    odd = sum(is_odd(line) for line in lines)
    return accented <= max(MAX_ACCENTED * letters, 1) and odd <= MAX_ODD * len(lines)


def is_odd(line: str) -> bool:
    """Whether no Western language has these characters in these places."""
    letters = set("".join(ACCENTED.findall(line)).lower())
    one_language = any(letters <= set(alphabet) for alphabet in ALPHABETS)
    return not one_language or MISPLACED.search(HYPHENS.sub("", line)) is not None


def guess_encoding(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return best.encoding if best and best.encoding not in ("cp1252", "latin_1") else None


def detect_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: each ASCII character has a zero byte, always on the same side."""
    first, second = head[::2].count(0), head[1::2].count(0)
    if max(first, second) < max(2, len(head) / 100) or min(first, second) > max(first, second) / 3:
        return None
    if max(first, second) < len(head) / 8 and is_utf8(head):  # a few zero bytes in a UTF-8 text
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def unusual_lines(path: Path) -> bytes:
    """Lines with bytes that are not ASCII, up to a sample's size."""
    found = b""
    for block in blocks(path):
        found += b"\n".join(re.findall(rb"[^\r\n]*[\x80-\xff][^\r\n]*", block)) + b"\n"
        if len(found) > SAMPLE:
            break
    return found[:SAMPLE]


def can_decode(path: Path, name: str) -> bool:
    try:
        for _ in decode_blocks(path, name, "strict"):
            pass
    except UnicodeError:
        return False
    return True


def decode_blocks(path: Path, name: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(name)(errors)
    for block in blocks(path):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


class Stream(io.RawIOBase):
    """A readable file over blocks of bytes."""

    def __init__(self, source: Iterator[bytes]):
        self.source, self.rest = source, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while not self.rest:
            block = next(self.source, None)
            if block is None:
                return 0
            self.rest = block
        count = min(len(buffer), len(self.rest))
        buffer[:count], self.rest = self.rest[:count], self.rest[count:]
        return count
