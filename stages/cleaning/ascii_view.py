"""A text as the rules of redaction see it: digits, spaces and dashes of any script as ASCII.

People write a number with Arabic digits, no-break spaces, full-width hyphens or invisible marks, and
web pages with entities. One view of the text lets each rule be written once, in ASCII.
"""

import html
import re
import unicodedata
from functools import lru_cache

# Regular expression (RE2 syntax) of what the view shows differently.
CHANGED = (
    r"&(?:amp;)*#?\w{1,10};|[[\p{Nd}\p{Z}\p{Pd}\p{Cf}\x{2212}\x{FE00}-\x{FE0F}\x{20E3}\x{34F}\x{B7}"
    r"\x{2022}\x{2027}\x{2219}\x{30FB}\x{2024}\x{2044}\x{2215}\x{66B}\x{FF01}-\x{FF5E}]&&[^\x00-\x7F]]"
)
ODD = re.compile(r"&(?:amp;)*(#?\w{1,10};)|[^\x00-\x7f]", re.ASCII)
FOUND = "\ue000"  # stands for what was found: no letter, no digit and no sign
SIGNS = {
    "\u2212": "-", "\u00b7": "/", "\u2022": "/", "\u2027": "/", "\u2219": "/", "\u30fb": "/",
    "\u2024": ".", "\u066b": ".", "\u2044": "/", "\u2215": "/", "\u20e3": "", "\u034f": "",
}  # fmt: skip


def ascii_view(text: str) -> tuple[str, list[int] | None]:
    """The view, and where in `text` each of its characters starts, its end included.

    The starts are None where the view is the text itself.
    """
    if text.isascii() and "&" not in text:
        return text, None
    out, starts, at = [], [], 0
    for match in ODD.finditer(text):
        char = html.unescape("&" + match[1]) if match[1] else match[0]
        if len(char) != 1 or char == "\ufffd":  # no entity, or none of one character
            continue
        out += [text[at : match.start()], shown(char)]
        starts += range(at, match.start())
        starts += [match.start()] * len(out[-1])
        at = match.end()
    out.append(text[at:])
    starts += range(at, len(text) + 1)
    return "".join(out), starts


def hide(view: str, spans: list[tuple[int, int]]) -> str:
    """The view with spans, in order, of what was found made unreadable to other rules."""
    out, at = [], 0
    for start, end in spans:
        out += [view[at:start], FOUND * (end - start)]
        at = end
    return "".join([*out, view[at:]])


@lru_cache(maxsize=10_000)
def shown(char: str) -> str:
    """One character in the view: an ASCII one, itself, or nothing where it is invisible."""
    if char in SIGNS:
        return SIGNS[char]
    if "\uff01" <= char <= "\uff5e":  # full-width forms of ASCII
        return chr(ord(char) - 0xFEE0)
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Pd":
        return "-"
    if category[0] == "Z":
        return " "
    return "" if category == "Cf" or "\ufe00" <= char <= "\ufe0f" else char
