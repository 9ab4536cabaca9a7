"""Paths into a row, such as `info.summaries[0].text`, and texts that hold a list or an object."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable

import orjson

from stages.cleaning.redaction import ANYWHERE, redact

STEP = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")
# What Python, numpy and pandas print and a literal is not: items without a comma, arrays, nan.
PRINTED = re.compile(
    r"""(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<end>[]}])"""
    r"""|(?P<array>\barray\()|(?P<close>,?\s*dtype=\w+\)|\))|(?P<nan>\bnan\b)""",
    re.DOTALL,
)
# How a list or an object of texts begins: as JSON, as Python or numpy prints it, as JSON in JSON.
BEGINS = r"""\[\s*[\[({'"]|\{\s*['"]|\(\s*[(\[{]\s*['"]|array\(\s*\[|"\s*(?:\[\s*[\[{\\]|\{\s*\\)"""
CONTAINER = re.compile(rf"\s*(?:[\[{{]|{BEGINS})")
OPENS = re.compile(r"""\s*(?:array\()?['"\[{]""")


def split_path(path: str, names: Iterable[str]) -> tuple[str | None, list[str | int]]:
    """The name that a path begins with, the longest of `names`, and the steps that follow.

    A name that is the path itself goes first, for names may hold dots. None where none fits.
    """
    if path in names:
        return path, []
    for name in sorted(names, key=len, reverse=True):
        if path.startswith((f"{name}.", f"{name}[")):
            return name, steps_of(path[len(name) :])
    return None, []


def steps_of(path: str) -> list[str | int]:
    return [int(number) if number else name for number, name in STEP.findall(path)]


def walk(value: object, steps: list[str | int]) -> object:
    """What stands at the end of the steps, or None; a name applied to a list goes to each item,
    and is nowhere if no item has it."""
    for i, step in enumerate(steps):
        value = decode(value) if isinstance(value, str) else value
        if isinstance(value, list) and isinstance(step, str):
            found = [walk(item, steps[i:]) for item in value]
            return found if any(item is not None for item in found) else None
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def field(item: object, path: str | None) -> object:
    """A field of an object by its name or by a path; None where there is none."""
    if path is None:
        return None
    if isinstance(item, dict) and path in item:
        return item[path]
    return walk(item, steps_of(path))


def decode(value: object) -> object:
    """A text that holds a list or an object, as JSON or as Python prints it, becomes that.

    Any other value is returned as it is.
    """
    # Cheap, for nearly every text is none.
    if not isinstance(value, str) or (value[:1] not in '[{(a"' and not value[0].isspace()):
        return value
    bare = value.strip()
    if not CONTAINER.match(bare) or bare[-1] not in ']})"':
        return value
    try:
        found = load_json(bare)
    except (ValueError, RecursionError):
        try:
            found = as_json(ast.literal_eval(PRINTED.sub(_literal(value), value.strip())))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return value
    if isinstance(found, str):  # written as JSON twice
        inner = decode(found)
        return value if isinstance(inner, str) else inner
    return found if isinstance(found, dict) or holds_texts(found) else value


def load_json(text: str) -> object:
    """orjson is three times as fast, and takes neither NaN nor half an emoji."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


def as_json(value: object) -> object:
    """Python's tuples as lists, as JSON has them."""
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return {k: as_json(v) for k, v in value.items()} if isinstance(value, dict) else value


def _literal(source: str):
    text = source.strip()
    arrays = "array(" in text

    def mend(match: re.Match) -> str:
        kind = match.lastgroup
        if kind == "close" and not arrays:  # of a tuple
            return match[0]
        if kind in ("array", "nan"):
            return "None" if kind == "nan" else ""
        return match[0] * (kind != "close") + "," * bool(OPENS.match(text, match.end()))

    return mend


def holds_texts(value: object) -> bool:
    """Whether a list has texts, lists or objects in it; "[1]" is a footnote and no list."""
    items = list(value) if isinstance(value, list | tuple | set) else []
    return not items or any(isinstance(item, str | list | tuple | dict) for item in items)


def is_container(text: str) -> bool:
    """Whether a text begins as a list or an object of texts does, whole or broken."""
    return re.match(rf"\s*(?:{BEGINS})", text) is not None


def outline(value: object) -> str:
    """A value for an error: its keys, its first items and the redacted beginnings of its texts."""

    def short(value: object) -> object:
        if isinstance(value, dict):
            return {key: short(value[key]) for key in list(value)[:6]}
        if isinstance(value, list | tuple):
            return [short(item) for item in value[:1]] + ["…"] * (len(value) > 1)
        if isinstance(value, str):
            text = " ".join(redact(value, ANYWHERE, Counter()).split())
            return text if len(text) <= 16 else text[:15] + "…"
        return value

    return json.dumps(short(value), ensure_ascii=False, default=str)[:200]
