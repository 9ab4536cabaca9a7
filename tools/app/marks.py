"""Conversations and summaries as HTML. All text is escaped here, and nowhere else is any put in."""

import re
from collections.abc import Iterable, Mapping
from html import escape

# What stands beside a marked span, so that its colour is not all that tells it.
KINDS = {"number": "number", "name": "name", "word": "new word", "role": "who?"}
LEGEND = (
    '<p class="legend"><mark>Marked<small>kind</small></mark>: the conversation does not hold it.'
    " <i>number</i>, <i>name</i>: not found there; <i>new word</i>: neither there nor usual in"
    " summaries; <i>who?</i>: what follows is mostly another speaker's. What is not marked may be"
    " wrong, too.</p>"
)
PLACEHOLDERS = ("email", "phone", "card", "iban", "ip", "number")
NAMES = {"tuned": "Tuned model", "base": "Untuned base"}


def marked(text: str, spans: Iterable[dict]) -> str:
    """A summary with its unsupported spans marked; lines stay lines."""
    out, at = [], 0
    for span in spans:
        start, end = span["start"], span["end"]
        if start < at:
            continue
        kind = escape(KINDS.get(span["kind"], span["kind"]))
        inside = f"<mark>{shown(text[start:end])}<small>{kind}</small></mark>"
        out += [shown(text[at:start]), inside]
        at = end
    return "".join([*out, shown(text[at:])])


def shown(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def summary_card(title: str, text: str, spans: list[dict] | None) -> str:
    """One summary under its title; `spans` is None where nothing could check it."""
    body = marked(text, spans or []) if text else "<em>it wrote nothing</em>"
    if spans is None:
        count = "not checked"
    else:
        count = f"{len(spans)} marked" if spans else "nothing marked"
    return card(title, body, count)


def card(title: str, body: str, foot: str = "") -> str:
    """`body` is HTML."""
    note = f'<p class="foot">{escape(foot)}</p>' if foot else ""
    return f'<section class="card"><h3>{escape(title)}</h3><p>{body}</p>{note}</section>'


def side_by_side(cards: Iterable[str]) -> str:
    return f'<div class="side">{"".join(cards)}</div>'


def talk(turns: Iterable[dict], kinds: Iterable[str] = ()) -> str:
    """A conversation, a turn an item, its placeholders framed; `kinds` are those of one's own."""
    names = "|".join(re.escape(kind) for kind in (*PLACEHOLDERS, *kinds))
    items = []
    for turn in turns:
        text = re.sub(
            rf"\((?:{names})\)", r'<b class="redacted">\g<0></b>', shown(turn["text"] or "")
        )
        speaker = f"<strong>{escape(turn['speaker'])}</strong> " if turn["speaker"] else ""
        items.append(f"<li>{speaker}{text}</li>")
    return f'<ol class="talk">{"".join(items)}</ol>'


def folded(title: str, inside: str, is_open: bool = False) -> str:
    state = " open" if is_open else ""
    return f"<details{state}><summary>{escape(title)}</summary>{inside}</details>"


def listed(counts: Mapping[str, int]) -> str:
    """Counts by kind, as text: 2 email, 1 phone."""
    return ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()) if n)


def notice(text: str, kind: str = "note") -> str:
    """A sentence of the page's own; `kind` is note, busy or error."""
    words = {"note": "", "busy": "", "error": "<strong>Error:</strong> "}[kind]
    return f'<p class="notice {kind}">{words}{escape(text)}</p>'


def sentence(error: Exception) -> str:
    """An error whose text is for the user, as a sentence of its own."""
    text = str(error)
    return notice(f"{text[:1].upper()}{text[1:]}.", "error")
