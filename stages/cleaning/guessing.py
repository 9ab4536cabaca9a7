"""How turns are laid out in values that look like conversations, told from their fields' names and
contents."""

import re
from collections.abc import Iterator
from statistics import mean

from stages.cleaning.nested import holds_objects
from stages.cleaning.paths import decode, field
from stages.cleaning.who_speaks import (
    FEW_ROWS,
    SIDES,
    SPEAKER,
    names_sides,
    said,
    share_with_speakers,
    side_of,
    speaker_score,
)

TEXT = re.compile(
    r"text|content|body|html|utt|message|msg|value|said|sentence|line|comment|post|reply|transcript|\bparts$"
    r"|nachricht|mensaje|mensagem|messaggio|bericht|сообщ|реплик|内容|文本|消息|發言|发言|发话|発話|メッセージ|메시지|رسالة",
    re.IGNORECASE,
)
DERIVED = re.compile(
    r"html|quot|translat|normali[sz]|delex|lemma|repl(?:y|ied)_?to|parent|forward|preview|snippet|signature",
    re.IGNORECASE,
)
STRIPPED = re.compile(r"stripped", re.IGNORECASE)  # of the mails that it answers
NOTHING = {
    "customer": None,
    "agent": None,
    "speaker": None,
    "text": None,
    "speaker_separator": None,
}


def leaves(values: list, depth: int = 3, prefix: str = "") -> Iterator[tuple[str, list]]:
    """Paths into objects, with the values that stand at each, null where an object has none."""
    values = [as_list(decode(value)) for value in values]
    objects = [value for value in values if isinstance(value, dict)]
    if prefix:
        yield prefix, values
    if objects and depth:
        for key in dict.fromkeys(key for value in objects for key in value):
            inner = [value.get(key) if isinstance(value, dict) else None for value in values]
            yield from leaves(inner, depth - 1, f"{prefix}.{key}" if prefix else key)


def as_list(value: object) -> object:
    """An object with numbers for keys is a list, as pandas writes it."""
    numbered = isinstance(value, dict) and value and all(key.isdigit() for key in value)
    return list(value.values()) if numbered else value


def layout_of(values: list) -> tuple[float, dict] | None:
    """How sure it is that these are conversations, and the keys of `Columns` that read them.

    A list with speakers is 3, a text in which they are named 2.5, one of texts alone 1 or less.
    """
    values = [as_list(decode(value)) for value in values if value]
    values = [value for value in values if value not in ("", [], {})]
    if not values:
        return None
    if all(isinstance(value, str) for value in values):
        named = share_with_speakers(values)
        return (2.5, {"speaker_separator": "auto"}) if named >= 0.6 else (0.5, {})
    if all(isinstance(value, dict) for value in values):
        return layout_of_sides(values)
    lists = [value for value in map(inner_list, values) if isinstance(value, list)]
    texts = [value for value in values if isinstance(value, str)]
    if len(lists) < FEW_ROWS * len(values):  # a text may look like a list
        return layout_of(texts) if texts else None
    # A text or an object beside lists is read by the layout of the lists, too.
    return layout_of_lists(lists)


def inner_list(value: object) -> object:
    """Of an object beside lists or texts, the one list of objects in it, as `nested` reads it."""
    parts = list(map(decode, value.values())) if isinstance(value, dict) else []
    inner = [part for part in parts if isinstance(part, list) and part and holds_objects(part)]
    return inner[0] if len(inner) == 1 else value


def layout_of_lists(lists: list[list]) -> tuple[float, dict] | None:
    items = [item for value in lists for item in map(decode, value) if item is not None]
    objects = [item for item in items if isinstance(item, dict)]
    if objects and len(objects) >= FEW_ROWS * len(items):
        others = sum(not isinstance(item, dict | str) for item in items)
        return layout_of_objects(objects) if others <= FEW_ROWS * len(items) else None
    if items and all(isinstance(item, str) for item in items):
        named = share_with_speakers(["\n".join(filter(None, value)) for value in lists])
        return (2.5, {"speaker_separator": "auto"}) if named >= 0.6 else (1, {})
    return layout_of_tuples(items)


def layout_of_tuples(items: list) -> tuple[float, dict] | None:
    """Which places of turns that are lists, such as [time, speaker, text], hold what."""
    lengths = {len(item) if isinstance(item, list) else 0 for item in items}
    if len(lengths) != 1 or not 2 <= max(lengths) <= 6:
        return None
    places = {f"[{n}]": list(column) for n, column in enumerate(zip(*items, strict=True))}
    texts = {place: mean(len(said(v)) for v in found) for place, found in places.items()}
    text = max(texts, key=texts.get)
    names = {
        place: len(set(found))
        for place, found in places.items()
        if place != text and all(isinstance(v, str) and re.search("[^\\W\\d_]", v) for v in found)
    }
    speaker = min(names, key=names.get, default=None)
    if speaker is None or names[speaker] > max(2, len(items) / 3):
        return None
    return 3, {"speaker": speaker, "text": text}


def layout_of_sides(values: list[dict]) -> tuple[float, dict] | None:
    """The customer's and the agent's field of objects that have a list of texts for each."""
    lists = {
        key: [value.get(key) for value in values]
        for key in values[0]
        if all(isinstance(decode(value.get(key)), list) for value in values)
    }
    sides = [side_of(pattern, lists) for pattern in SIDES]
    if not all(sides) or sides[0] == sides[1]:
        return None
    return 3, {"customer": sides[0], "agent": sides[1]}


def layout_of_objects(items: list[dict]) -> tuple[float, dict] | None:
    """Which fields of turns are the speaker and the text, or the customer's and the agent's."""
    every = dict(leaves(items))
    fields = {path: found for path, found in every.items() if any(map(said, found))}
    texts = {
        path: found
        for path, found in fields.items()
        if TEXT.search(path) and mean(len(said(value)) for value in found) > 3
    }
    names = scores({path: found for path, found in every.items() if SPEAKER.search(path)})
    # Where another field names people, `mode`, human or bot, may tell of something else.
    people = [path for path, score in names.items() if score >= 1 and not is_flag(every[path])]
    if not people:
        names |= scores({path: found for path, found in every.items() if names_sides(found)})
    # Without the parents of others: of `content` with parts, the field itself.
    texts = {path: found for path, found in texts.items() if not inside(path, texts)}
    speaker = max(names, key=names.get, default=None)
    texts.pop(speaker, None)
    texts = {k: v for k, v in texts.items() if TEXT.search(k.split(".")[-1])} or texts
    # Of a text and the same as HTML, or what it answers, or its translation, the plain one.
    plain = [path for path in texts if not DERIVED.search(path)] or list(texts)
    plain = [path for path in plain if STRIPPED.search(path)] or plain
    text = max(plain, key=lambda path: mean(len(said(v)) for v in texts[path]), default=None)
    if text and speaker:
        # What stands in turns without a text, such as "Tom joined", is nobody who speaks.
        heard = [item for item in items if said(field(item, text)).strip()]
        again = layout_of_objects(heard) if 0 < len(heard) < len(items) else None
        named = again and again[1].get("speaker")
        return again if named else (3, {"speaker": speaker, "text": text})
    sides = [side_of(pattern, fields) for pattern in SIDES]
    if all(sides) and sides[0] != sides[1]:
        return 3, {"customer": sides[0], "agent": sides[1]}
    return (1.2, {"text": text}) if text else None


def is_flag(values: list) -> bool:
    return all(isinstance(value, bool | None) for value in values)


def scores(fields: dict[str, list]) -> dict[str, float]:
    return {path: score for path, v in fields.items() if (score := speaker_score(path, v))}


def inside(path: str, others: dict) -> bool:
    return any(path.startswith(f"{other}.") for other in others)


def messages_answered(values: list, layout: dict) -> bool:
    """Whether chat messages end with what the assistant wrote, a summary if nothing else is one."""
    lists = [value for value in map(decode, values) if value]
    if not layout.get("text") or not layout.get("speaker"):
        return False
    last = [str(field(decode(value[-1]), layout["speaker"])).lower() for value in lists]
    return bool(last) and set(last) <= {"assistant", "gpt", "model"}
