"""Which fields say who speaks, and in which texts speakers are named."""

import re
from collections.abc import Iterator
from statistics import mean

import polars as pl

from stages.cleaning.chat import split_chats
from stages.cleaning.nested import text_of
from stages.cleaning.paths import decode
from stages.cleaning.roles import role_of

SPEAKER = re.compile(
    r"speaker|role|author|from|sender|name|user|who|participant|inbound|is_|(?-i:(?:^|[._])is[A-Z])|incoming|outgoing"
    r"|direction|type|side|party|channel_?role|\bspk|sprecher|absender|rolle|emisor|hablante|remitente"
    r"|locut|mittente|spreker|автор|роль|отправител|角色|说话|說話|发送|發送|話者|役割|화자|발신|المتحدث|المرسل",
    re.IGNORECASE,
)
# Fields whose numbers, if they are few, say who speaks.
NUMBERED_SPEAKER = re.compile(
    r"speaker|\bspk|role|sender|author|inbound|^is_?[a-z]|^isA|direction|participant|party|side",
    re.IGNORECASE,
)
# `is_read` and `type: text` tell of the message; `is_agent` and `type: admin` of who wrote it.
FLAG = re.compile(
    r"(?:^|[._])(?:is_|(?-i:is(?=[A-Z])))(?!.*(?:customer|user|client|visitor|agent|staff|support|admin|operator|bot|human|me$"
    r"|internal|inbound|incoming|outgoing|outbound|from|assistant|employee))",
    re.IGNORECASE,
)
# Fields that say who is spoken to, or whose turn it is.
ADDRESSEE = re.compile(
    r"(?:^|[._])to(?:$|[._]|(?-i:[A-Z]))|(?-i:[a-z]To$)|recipient|receiver|addressee|assignee|assigned_?to"
    r"|(?:target|wait|waiting|next|previous)(?-i:$|[^a-z])"
    r"|empf[äa]nger|destinat|ontvanger|получател|收件|接收|수신",
    re.IGNORECASE,
)
KIND = re.compile(r"(?:^|[._])(?:(?:msg|message|content|event|media)_?)?type$", re.IGNORECASE)
FEW = 12  # numbers in a field that may be speakers
FEW_ROWS = 0.05  # share of rows that may be of another kind
SIDES = (
    re.compile(r"user|customer|client|caller|consumer|visitor|guest|question|human", re.IGNORECASE),
    re.compile(r"agent|system|assistant|bot|operator|support|advis|staff|answer", re.IGNORECASE),
)


def said(value: object) -> str:
    """A field's text; of a number or nothing, none."""
    value = decode(value)
    if isinstance(value, bool | int | float) or value is None:
        return ""
    return text_of(value) or ""


def speaker_score(path: str, values: list) -> float:
    """How likely a field of turns says who speaks; 0: not at all."""
    known = [value for value in values if value is not None]
    # A number may be somebody's in one conversation alone.
    few = max(FEW, 0.75 * len(known))
    numbered = NUMBERED_SPEAKER.search(path.split(".")[-1]) and len(set(map(str, known))) <= few
    kinds = str | bool | int if numbered else str | bool
    if not known or not all(isinstance(value, kinds) for value in known):
        return 0
    names = [str(value).lower() for value in known]
    if mean(map(len, names)) > 40 or max(map(len, names)) > 80:
        return 0
    distinct = len(set(names))
    roles = sum(role_of(name.strip()) is not None for name in set(names))
    if FLAG.search(path) or (KIND.search(path) and not roles):
        return 0
    if ADDRESSEE.search(path):
        return 0
    score = 1 + len(known) / len(values) + 2 * roles / distinct
    score += 1 if re.search(r"speaker|role|author|sender|from|inbound", path, re.IGNORECASE) else 0
    score -= 3 if re.search(r"(?:_id|[a-z]Id|\.id)$", path) else 0  # a name says more
    if distinct == 1:  # what is the same everywhere, such as type: message, is nobody
        if not re.search(r"speaker|role|author|sender|from", path, re.IGNORECASE):
            return 0
        score -= 2
    score -= 2 if distinct > max(2, len(names) / 2) else 0
    return max(score, 0.1)


def names_sides(values: list) -> bool:
    """Whether all values are names of roles, of both sides: such a field says who speaks, whatever
    it is called."""
    known = [value for value in values if value is not None]
    names = {name.strip().lower() if isinstance(name, str) else "" for name in known}
    # Those are also who may read a turn.
    return {role_of(name) for name in names - {"internal", "external"}} == {"customer", "agent"}


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


def siblings(path: str, paths: dict[str, list]) -> Iterator[tuple[str, list[int]]]:
    """Lists of few short texts beside the texts at `path`: their speakers; with the numbers of the
    rows, from 1, in which they are not as long as the texts."""
    texts = list(map(decode, paths[path]))
    for other, values in paths.items():
        names = list(map(decode, values))
        pairs = {n: pair for n, pair in enumerate(zip(texts, names, strict=True), 1) if pair[0]}
        lists = all(isinstance(part, list) for pair in pairs.values() for part in pair if part)
        if other == path or not lists or not SPEAKER.search(other.split(".")[-1]):
            continue
        flat = [name for _, b in pairs.values() for name in b or ()]
        if flat and speaker_score(other, flat) >= 1:
            yield other, [n for n, (a, b) in pairs.items() if len(a) != len(b or ())]
