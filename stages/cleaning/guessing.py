"""How turns are laid out in values that look like conversations, told from their fields' names and
contents."""

import re
from collections.abc import Iterator
from statistics import mean

import polars as pl

from stages.cleaning.chat import split_chats
from stages.cleaning.nested import text_of
from stages.cleaning.paths import decode, field
from stages.cleaning.roles import guess_roles

TEXT = re.compile(
    r"text|content|body|html|utterance|message|msg|value|said|sentence|line|comment|post|reply|transcript",
    re.IGNORECASE,
)
SPEAKER = re.compile(
    r"speaker|role|author|from|sender|name|user|who|participant|inbound|is_|incoming|outgoing"
    r"|direction|type|side|party|channel_?role",
    re.IGNORECASE,
)
# Fields whose numbers, if they are few, say who speaks.
NUMBERED_SPEAKER = re.compile(
    r"speaker|role|sender|author|inbound|^is_?[a-z]|^isA|direction|participant|party|side",
    re.IGNORECASE,
)
FEW = 12
SIDES = (
    re.compile(r"user|customer|client|caller|consumer|visitor|guest|question|human", re.IGNORECASE),
    re.compile(r"agent|system|assistant|bot|operator|support|advis|staff|answer", re.IGNORECASE),
)
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
    if not all(isinstance(value, list) for value in values):
        return None
    items = [item for value in values for item in map(decode, value) if item is not None]
    if items and all(isinstance(item, dict) for item in items):
        return layout_of_objects(items)
    if items and all(isinstance(item, str) for item in items):
        named = share_with_speakers(["\n".join(filter(None, value)) for value in values])
        return (2.5, {"speaker_separator": "auto"}) if named >= 0.6 else (1, {})
    pairs = [i for i in items if isinstance(i, list) and len(i) == 2 and isinstance(i[0], str)]
    if pairs and pairs == items and len({pair[0] for pair in pairs}) <= max(2, len(pairs) / 3):
        return 3, {"speaker": "[0]", "text": "[1]"}
    return None


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
    fields = {path: found for path, found in leaves(items) if any(map(said, found))}
    texts = {
        path: found
        for path, found in fields.items()
        if TEXT.search(path) and mean(len(said(value)) for value in found) > 3
    }
    names = {
        path: score
        for path, found in leaves(items)
        if SPEAKER.search(path) and (score := speaker_score(path, found))
    }
    # Without the parents of others: of `content` with parts, the field itself.
    texts = {path: found for path, found in texts.items() if not inside(path, texts)}
    speaker = max(names, key=names.get, default=None)
    texts.pop(speaker, None)
    texts = {k: v for k, v in texts.items() if TEXT.search(k.split(".")[-1])} or texts
    # Of a text and the same as HTML, the plain one.
    plain = [path for path in texts if "html" not in path.lower()] or list(texts)
    text = max(plain, key=lambda path: mean(len(said(v)) for v in texts[path]), default=None)
    if text and speaker:
        return 3, {"speaker": speaker, "text": text}
    sides = [side_of(pattern, fields) for pattern in SIDES]
    if all(sides) and sides[0] != sides[1]:
        return 3, {"customer": sides[0], "agent": sides[1]}
    return (1.2, {"text": text}) if text else None


def inside(path: str, others: dict) -> bool:
    return any(path.startswith(f"{other}.") for other in others)


def said(value: object) -> str:
    """A field's text; of a number or nothing, none."""
    value = decode(value)
    if isinstance(value, bool | int | float) or value is None:
        return ""
    return text_of(value) or ""


def speaker_score(path: str, values: list) -> float:
    """How likely a field of turns says who speaks; 0: not at all."""
    known = [value for value in values if value is not None]
    numbered = NUMBERED_SPEAKER.search(path.split(".")[-1]) and len(set(map(str, known))) <= FEW
    kinds = str | bool | int if numbered else str | bool
    if not known or not all(isinstance(value, kinds) for value in known):
        return 0
    names = [str(value).lower() for value in known]
    if mean(map(len, names)) > 40 or max(map(len, names)) > 80:
        return 0
    distinct = len(set(names))
    score = 1 + len(known) / len(values)
    score += 2 * len(guess_roles(set(names))) / distinct
    score += 1 if re.search(r"speaker|role|author|sender|from|inbound", path, re.IGNORECASE) else 0
    score -= 3 if re.search(r"(?:_id|[a-z]Id)$", path) else 0  # a name says more
    score -= 2 if distinct == 1 else 0
    score -= 2 if distinct > max(2, len(names) / 2) else 0
    return max(score, 0.1)


def side_of(pattern: re.Pattern, fields: dict[str, list]) -> str | None:
    """The one-sided field with the most text whose name says whose it is, not what is beside it."""
    fitting = [
        path
        for path in fields
        if pattern.search(path) and not re.search(r"info|\bid\b|history|name", path, re.IGNORECASE)
    ]
    return max(fitting, key=lambda path: sum(len(said(v)) for v in fields[path]), default=None)


def share_with_speakers(texts: list[str]) -> float:
    """The share of texts in which two people or more are named before what they say."""
    frame = pl.DataFrame({"row": range(len(texts)), "conversation": texts})
    turns = split_chats(frame)
    named = turns.group_by("row").agg(pl.col("speaker").drop_nulls().n_unique().alias("n"))
    return (named["n"] >= 2).sum() / len(texts)


def siblings(path: str, paths: dict[str, list]) -> Iterator[str]:
    """Lists of few short texts as long as those at `path`: the speakers beside the texts."""
    texts = list(map(decode, paths[path]))
    for other, values in paths.items():
        names = list(map(decode, values))
        pairs = [(a, b) for a, b in zip(texts, names, strict=True) if a]
        if other == path or not all(isinstance(b, list) and len(a) == len(b) for a, b in pairs):
            continue
        flat = [name for _, b in pairs for name in b]
        if SPEAKER.search(other.split(".")[-1]) and speaker_score(other, flat) >= 1:
            yield other


def messages_answered(values: list, layout: dict) -> bool:
    """Whether chat messages end with what the assistant wrote, a summary if nothing else is one."""
    lists = [value for value in map(decode, values) if value]
    if not layout.get("text") or not layout.get("speaker"):
        return False
    last = [str(field(decode(value[-1]), layout["speaker"])).lower() for value in lists]
    return bool(last) and set(last) <= {"assistant", "gpt", "model"}
