"""Which column of a raw table is the conversation, told from names and contents."""

import re
from collections.abc import Iterable
from statistics import mean

from stages.cleaning.guessing import (
    SIDES,
    SPEAKER,
    layout_of,
    said,
    siblings,
    side_of,
    speaker_score,
)
from stages.cleaning.paths import decode
from stages.common.cli import UserError

CONVERSATION = re.compile(
    r"conversation|dialog|turns|messages|\blog\b|transcript|chat|utterances|thread|article|document"
    r"|\btext\b|body|source|input|history",
    re.IGNORECASE,
)
REFERENCE = re.compile(
    r"summar|highlight|abstract|tl;?dr|reference|(?:^|[\W_])refs?(?![a-z])|gist|synopsis|headline|recap|r[ée]sum|resumen|resumo"
    r"|riassunto|zusammenfassung|samenvatting|резюме|摘要|要約|요약|ملخص|सारांश",
    re.IGNORECASE,
)
TARGET = re.compile(
    r"target|output|response|completion|label|gold|title|notes?$|resolution|outcome", re.IGNORECASE
)
ID = re.compile(r"(?:^|[\s_.-])(?:id|uuid|guid|key|fname|filename)$|[a-z]I[dD]$", re.IGNORECASE)


def listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:20])) + (" …" if len(names) > 20 else "")


def find_layout(path: str, paths: dict[str, list]) -> dict:
    guess = layout_of(paths.get(path, []))
    if guess is None or not guess[1]:
        return next(({"speaker": other} for other in siblings_of_lists(path, paths)), {})
    return guess[1]


def siblings_of_lists(path: str, paths: dict[str, list]) -> list[str]:
    values = [value for value in map(decode, paths.get(path, [])) if value is not None]
    lists = values and all(isinstance(value, list) for value in values)
    return list(siblings(path, paths)) if lists else []


def find_conversation(paths: dict[str, list], columns: dict[str, list]) -> dict:
    """The path to the conversation and how its turns are laid out."""
    ranked = []
    for path, values in paths.items():
        guess = layout_of(values)
        name = path.split(".")[-1]
        if guess is None or ID.search(name):
            continue
        sure, layout = guess
        if sure == 1 and (beside := siblings_of_lists(path, paths)):
            sure, layout = 3, {"speaker": beside[0]}
        sure += 1 if CONVERSATION.search(name) else 0.5 if CONVERSATION.search(path) else 0
        sure -= 3 if REFERENCE.search(path) else 1 if TARGET.search(path) else 0
        length = mean(len(" ".join(words(value))) for value in values)
        ranked.append((sure, length, path, layout))
    best = max(ranked, default=None, key=lambda entry: entry[:2])
    sides = [side_of(pattern, {k: v for k, v in columns.items() if spoken(v)}) for pattern in SIDES]
    if all(sides) and sides[0] != sides[1] and (best is None or best[0] < 2.5):
        return {"conversation": None, "customer": sides[0], "agent": sides[1]}
    if best and not best[3] and (key := turn_a_row(columns)):
        raise UserError(
            f"each row looks like one turn of the conversation that {key!r} names: write a row a"
            " conversation, with a list of its turns"
        )
    # Texts alone are a document: long, or called what conversations are called.
    if best is None or (best[0] < 1 and best[1] < 200):
        raise UserError(
            f"no conversation is found: set clean.columns.conversation to one of {listed(columns)}"
        )
    return {"conversation": best[2], **best[3]}


def turn_a_row(columns: dict[str, list]) -> str | None:
    """The column that names the conversation of each row, where a row is one turn."""
    keys = [name for name, v in columns.items() if ID.search(name) and len(set(v)) <= len(v) / 2]
    speakers = [
        name for name, v in columns.items() if SPEAKER.search(name) and speaker_score(name, v) > 1
    ]
    return keys[0] if keys and set(speakers) - set(keys) else None


def words(value: object) -> list[str]:
    value = decode(value)
    if isinstance(value, dict):
        return [text for inner in value.values() for text in words(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in words(inner)]
    return [value] if isinstance(value, str) else []


def spoken(values: list) -> bool:
    """Whether a column is texts, or lists of texts."""
    return any(words(value) for value in values) and mean(len(said(value)) for value in values) > 8
