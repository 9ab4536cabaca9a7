"""Which column of a raw table is the conversation, told from names and contents."""

import re
from collections.abc import Iterable
from statistics import mean

from stages.cleaning.guessing import layout_of
from stages.cleaning.paths import decode
from stages.cleaning.who_speaks import SIDES, SPEAKER, said, siblings, side_of, speaker_score
from stages.common.cli import UserError

CONVERSATION = re.compile(
    r"conversation|dialog|turns|messages|\blog\b|transcript|chat|utterances|thread|article|document"
    r"|\btext\b|body|source|input|history|gespräch|verlauf|conversac|conversa\b|conversazione|gesprek|rozmow"
    r"|диалог|переписк|对话|對話|会话|聊天|対話|会話|대화|محادثة|संवाद",
    re.IGNORECASE,
)
REFERENCE = re.compile(
    r"summ(?:ar|\b|$)|highlight|abstract|tl;?dr|(?<![a-z])reference|(?:^|[\W_])refs?(?![a-z])|gist|synopsis|headline|recap|r[ée]sum|resumen|resumo"
    r"|riassunto|zusammenfassung|samenvatting|samman?fattning|sammendrag|streszczenie|podsumowanie|shrnutí|zhrnutie|összefogl"
    r"|rezumat|tiivistelmä|yhteenveto|özet|tóm tắt|ringkasan|rangkuman|περίληψη|резюме|підсумок|摘要|总结|總結|要約|요약|สรุป"
    r"|ملخص|خلاصة|خلاصه|תקציר|סיכום|सारांश|সারাংশ",
    re.IGNORECASE,
)
TARGET = re.compile(
    r"target|output|response|completion|label|gold|title|notes?$|resolution|outcome", re.IGNORECASE
)
ID = re.compile(r"(?:^|[\s_.-])(?:id|uuid|guid|key|fname|filename)$|[a-z]I[dD]$", re.IGNORECASE)

LONGEST_NAME = 60  # characters, of a column
KEY = re.compile(
    r"(?:ticket|case|thread|call|conversation|session|chat|dialog(?:ue)?)"
    r"(?:[\W_]*(?:no|nr|num|number|key|ref)\.?)?",
    re.IGNORECASE,
)
# What columns of one kind differ by: summary_2, summary b, annotator2_summary.
NUMBER = re.compile(r"\d{1,2}(?!\d)|(?<=[ _-])[a-e]$")


def stem_of(path: str) -> str:
    """What a path and its like have in common: all but its last number."""
    found = list(NUMBER.finditer(path))
    return f"{path[: found[-1].start()].rstrip('. _-')}{path[found[-1].end() :]}" if found else path


def listed(names: Iterable[str]) -> str:
    names = list(names)
    if any(len(name) > LONGEST_NAME or "\n" in name for name in names):  # texts of customers
        return "its columns, whose names look like a row's texts: write a line of names above it"
    return ", ".join(map(repr, names[:20])) + (" …" if len(names) > 20 else "")


def find_layout(path: str, paths: dict[str, list]) -> dict:
    guess = layout_of(paths.get(path, []))
    return guess[1] if guess and guess[1] else speakers_beside(path, paths)


def speakers_beside(path: str, paths: dict[str, list]) -> dict:
    """The list of speakers beside a list of texts, if there is one; `UserError` where it is of
    another length in most rows."""
    values = [value for value in map(decode, paths.get(path, [])) if value is not None]
    if not values or not all(isinstance(value, list) for value in values):
        return {}
    found = sorted(siblings(path, paths), key=lambda pair: len(pair[1]))
    if not found:
        return {}
    name, unequal = found[0]
    if len(unequal) > len(values) / 2:
        raise UserError(
            f"{name!r} looks like the speakers of {path!r}, but is not as long in rows"
            f" {numbers(unequal)}: mend them, or set clean.columns.conversation to {path!r} and"
            " clean.columns.speaker to null, for turns without speakers"
        )
    return {"speaker": name}


def numbers(rows: list[int]) -> str:
    """The first few, for an error."""
    return ", ".join(map(str, rows[:5])) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")


def find_conversation(paths: dict[str, list], columns: dict[str, list]) -> dict:
    """The path to the conversation and how its turns are laid out."""
    ranked = []
    for path, values in paths.items():
        guess = layout_of(values)
        name = path.split(".")[-1]
        if guess is None or ID.search(name):
            continue
        sure, layout = guess
        if sure == 1 and any(len(rows) <= len(values) / 2 for _, rows in siblings(path, paths)):
            sure, layout = 3, speakers_beside(path, paths)
        sure += 1 if CONVERSATION.search(name) else 0.5 if CONVERSATION.search(path) else 0
        sure -= 3 if REFERENCE.search(path) else 1 if TARGET.search(path) else 0
        length = mean(len(" ".join(words(value))) for value in values)
        lacking = sum(value is None for value in values) / len(values)
        ranked.append((sure, length, path, layout, lacking))
    # Where many rows have nothing, their conversations lie elsewhere.
    best = max(ranked, default=None, key=lambda entry: (entry[0] - 4 * entry[4], entry[1]))
    sides = [side_of(pattern, {k: v for k, v in columns.items() if spoken(v)}) for pattern in SIDES]
    if all(sides) and sides[0] != sides[1] and (best is None or best[0] < 2.5):
        check_alone(sides, columns)
        return {"conversation": None, "customer": sides[0], "agent": sides[1]}
    if (best is None or not best[3]) and (key := turn_a_row(columns)):
        raise UserError(
            f"each row looks like one turn of the conversation that {key!r} names: write a row a"
            " conversation, with a list of its turns"
        )
    if best is None or not best[3]:
        check_alone([best[2]] if best else columns, paths if best else columns)
    # Texts alone are a document: long, or called what conversations are called.
    if best is None or (best[0] < 1 and best[1] < 200):
        raise UserError(
            f"no conversation is found: set clean.columns.conversation to one of {listed(columns)}"
        )
    return {"conversation": best[2], **(best[3] or speakers_beside(best[2], paths))}


def check_alone(names: Iterable[str], columns: dict[str, list]) -> None:
    """`UserError` where columns of the same name but for a number hold further turns: agent_2."""
    texts = [name for name, values in columns.items() if spoken(values)]
    for name in names:
        alike = [other for other in texts if stem_of(other) == stem_of(name)]
        if len(alike) > 1 and name in alike and not REFERENCE.search(name):
            raise UserError(
                f"{listed(alike)} look like turns of one conversation: write them as one column, with"
                " a list of its turns or a turn a line, as in `Name: text`; or set"
                " clean.columns.conversation, or customer and agent, to the ones to read"
            )


def turn_a_row(columns: dict[str, list]) -> str | None:
    """The column that names the conversation of each row, where a row is one turn."""
    keys = [
        name
        for name, values in columns.items()
        if (ID.search(name) or KEY.fullmatch(name))
        and len(set(map(str, values))) <= len(values) / 2
    ]
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
