"""Conversations as they come in, read and cleaned by the code of `tools.summarize`."""

import json
import re
import threading
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from stages.common.cli import UserError
from stages.params import Clean
from stages.sources.json_columns import without_lone_surrogates
from stages.sources.text import read_text
from stages.sources.unpacking import blocks
from tools.app import limits
from tools.conversations import Conversation, Rows, read_conversation, read_conversations
from tools.rows import json_rows, kind_of, read_rows

AT_ONCE = 100  # rows of a file
# A reader of tables prints its notes, which are turned away from the terminal: one at a time.
TABLES = threading.Lock()


class Found(NamedTuple):
    """One conversation, or why there is none, with its id and what it is called in a message."""

    id: object
    place: str
    conversation: Conversation | None
    fault: str = ""


def read_values(values: list[str | dict], clean: Clean) -> tuple[list[Found], Counter]:
    """Values of a request: a text is read as a text file, an object as a line of JSON lines.

    Returns what was found, in the order of the values, and what was redacted, by kind.
    """
    places = [f"conversations[{i}]" for i in range(len(values))]
    redacted: Counter = Counter()
    found: list[Found | None] = [None] * len(values)
    for i, value in enumerate(values):
        if isinstance(value, str):
            found[i] = read_one(value, i + 1, places[i], clean, redacted)
    numbers = [i for i, value in enumerate(values) if not isinstance(value, str)]
    if numbers:
        rows = json_rows([(places[i], i + 1, values[i]) for i in numbers], clean.columns)
        for i, one in zip(numbers, read_some(rows, clean, redacted), strict=True):
            found[i] = one
    return found, redacted


def read_pasted(text: str, clean: Clean, most: int) -> tuple[list[Found], Counter]:
    """What was pasted: a transcript, JSON lines, or a JSON value."""
    return read_file(called(text), without_lone_surrogates(text).encode(), clean, most)


def called(text: str) -> str:
    """A name for a file of this text: JSON that fills several lines is known by its name alone."""
    try:
        is_json = isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        is_json = False
    return "conversation.json" if is_json else "conversation"


def read_file(name: str, content: bytes, clean: Clean, most: int) -> tuple[list[Found], Counter]:
    """Up to `most` conversations of a file with this name, and one more if it holds more.

    A `UserError` says why the file cannot be read. The copy on disk, which readers of tables need,
    is gone when this returns.
    """
    redacted: Counter = Counter()
    found: list[Found] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / re.sub(r"[^\w.-]", "_", Path(name).name)[-100:]
        path.write_bytes(content)
        try:
            check_size(path)
            kind = kind_of(path)
            if kind == "text":
                text = read_text(path)
                return [read_one(text, 1, Path(name).name, clean, redacted)], redacted

            def reject(place: str, why: str, _row: str) -> None:
                found.append(Found(place, place, None, why))

            with TABLES:
                for rows in read_rows(path, kind, clean.columns, AT_ONCE, reject):
                    found += read_some(rows, clean, redacted)
                    if len(found) > most:
                        break
        except UserError as error:
            raise UserError(str(error).replace(str(path), Path(name).name)) from None
    return found[: most + 1], redacted


def check_size(path: Path) -> None:
    """Few bytes can be many when they are unpacked. Raises `UserError` where they are too many."""
    size = 0
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    else:
        for block in blocks(path):
            size += len(block)
            if size > limits.UNPACKED:
                break
    if size > limits.UNPACKED:
        raise UserError(f"{path} unpacks to more than {limits.UNPACKED:,} bytes")


def read_one(text: str, id_: object, place: str, clean: Clean, redacted: Counter) -> Found:
    try:
        conversation = read_conversation(without_lone_surrogates(text), clean, redacted)
    except UserError as error:
        return Found(id_, place, None, str(error))
    return Found(id_, place, conversation)


def read_some(rows: Rows, clean: Clean, redacted: Counter) -> Iterable[Found]:
    read, faults = read_conversations(rows, clean, redacted)
    return [
        Found(rows.ids[i], rows.places[i], read.get(i), faults.get(i, ""))
        for i in range(len(rows.ids))
    ]
