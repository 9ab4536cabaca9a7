"""Text of files in whatever encoding a program wrote them, as UTF-8.

The order: a byte-order mark; UTF-16 by its zero bytes; UTF-8; then Windows' cp1252, if what comes
out looks like text of a language that it is for. Detectors guess, and short files fool them, so a
guess only names the encoding in the error.
"""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from stages.common.cli import UserError
from stages.sources.unpacking import blocks

MARKS = {  # UTF-32 first: its mark begins as that of UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SAMPLE = 1 << 16  # bytes
LETTERS = 0.3  # a larger share of accented letters is another alphabet
ODD = 0.1  # a larger share of lines that are odd is another encoding
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
    errors: str = "strict"  # or replace, where some bytes are broken
    note: str = ""  # what the user should know, without the file's name


def open_text(path: Path, encoding: Encoding) -> BinaryIO:
    """The file's text as UTF-8 bytes without a mark, to read by blocks or by lines."""
    return io.BufferedReader(Stream(utf8_blocks(path, encoding)), buffer_size=1 << 16)


def read_text(path: Path) -> str:
    return open_text(path, encoding_of(path)).read().decode()


def utf8_blocks(path: Path, encoding: Encoding) -> Iterator[bytes]:
    if encoding == Encoding("utf-8"):
        return blocks(path)
    return (text.encode() for text in decoded(path, encoding.name, encoding.errors))


def encoding_of(path: Path) -> Encoding:
    """The encoding of the file. Raises `UserError`, which names the likely one, if it is none of
    those that are read."""
    head = next(blocks(path), b"")
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return checked(path, name)
    wide = utf16(head[:SAMPLE])
    if wide and valid(path, wide):
        return Encoding(wide)
    return checked(path, "utf-8")


def checked(path: Path, name: str) -> Encoding:
    """UTF-8, or what a mark says, if the file holds nothing else; broken characters are noted."""
    if valid(path, name):
        return Encoding(name)
    broken = good = 0
    for text in decoded(path, name, "replace"):
        broken += text.count("\ufffd")
        good += len(re.findall(r"[^\x00-\x7f\ufffd]", text))
    if good > 4 * broken or name not in ("utf-8", "utf-8-sig"):
        note = f"{broken} characters are not {name.upper()}, each is now U+FFFD"
        return Encoding(name, "replace", note)
    return western(path)


def western(path: Path) -> Encoding:
    sample = unusual_lines(path)
    if len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", sample)) > len(sample) / 100:
        raise UserError(f"{path} is not a text file")
    if plausible(sample):
        return Encoding("cp1252", note="not UTF-8, read as Windows' cp1252: see that accents stand")
    name = guess(sample)
    looks = f"may be {name}" if name else "is in an encoding that cannot be told"
    convert = f"iconv -f {name or 'ITS-ENCODING'} -t UTF-8 {path.name} > utf8-{path.name}"
    raise UserError(f"{path} is not UTF-8, it {looks}: save it as UTF-8, or run `{convert}`")


def plausible(sample: bytes) -> bool:
    """Whether cp1252 makes text of a Western language out of these bytes."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    letters, accented = sum(map(str.isalpha, text)), len(ACCENTED.findall(text))
    lines = text.splitlines()
    odd = sum(is_odd(line) for line in lines)
    return accented <= max(LETTERS * letters, 1) and odd <= ODD * len(lines)


def is_odd(line: str) -> bool:
    """Whether no one Western language would have these characters in these places."""
    letters = set("".join(ACCENTED.findall(line)).lower())
    one_language = any(letters <= set(alphabet) for alphabet in ALPHABETS)
    return not one_language or MISPLACED.search(HYPHENS.sub("", line)) is not None


def guess(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return best.encoding if best and best.encoding not in ("cp1252", "latin_1") else None


def utf16(head: bytes) -> str | None:
    """UTF-16 without a mark, whose ASCII characters have a zero byte, all on the same side."""
    first, second = head[::2].count(0), head[1::2].count(0)
    if max(first, second) < max(2, len(head) / 100) or min(first, second) > max(first, second) / 3:
        return None
    if max(first, second) < len(head) / 8 and is_utf8(head):  # some stray zeros in other text
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def unusual_lines(path: Path) -> bytes:
    """Lines that hold other bytes than ASCII, as many as it takes to judge by them."""
    found = b""
    for block in blocks(path):
        found += b"\n".join(re.findall(rb"[^\r\n]*[\x80-\xff][^\r\n]*", block)) + b"\n"
        if len(found) > SAMPLE:
            break
    return found[:SAMPLE]


def valid(path: Path, name: str) -> bool:
    try:
        for _ in decoded(path, name, "strict"):
            pass
    except UnicodeError:
        return False
    return True


def decoded(path: Path, name: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(name)(errors)
    for block in blocks(path):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


class Stream(io.RawIOBase):
    """Blocks of bytes as a file."""

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
