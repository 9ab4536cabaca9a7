"""Numbers, amounts, times and dates in a text, and whether another text holds the same.

What is written in two ways has one reading in common: "1,234.50" and "1.234,50", "two" and "2",
"3pm" and "15:00", "$5" and "5 USD", "5 March" and "03/05". Where a writing is ambiguous it has all
its readings, and one that fits is enough.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from stages.scoring.patterns import PATTERNS

FILLER = "\ufffc"  # in place of what is read already


@dataclass(frozen=True)
class Quantity:
    """`exact` has every reading of text[start:end]; `loose` those that say less, such as the 5 of $5.

    `claim` is False for words that are numbers among other things, such as "one" and "second".
    `parts` are of a number that is written in groups: each is held, too, and together they hold it.
    """

    start: int
    end: int
    exact: frozenset
    loose: frozenset = frozenset()
    claim: bool = True
    parts: frozenset = frozenset()


class Held:
    """The quantities of a conversation."""

    def __init__(self, text: str):
        found = list(quantities(text))
        self.exact = frozenset().union(*(one.exact for one in found))
        self.loose = frozenset().union(*(one.loose | one.parts for one in found))

    def __contains__(self, one: Quantity) -> bool:
        # Two loose readings are no match: $5 is not 5 €, and 3 pm is not 3 am.
        if (one.exact | one.loose) & self.exact or one.exact & self.loose:
            return True
        return bool(one.parts) and one.parts <= self.exact | self.loose


def quantities(text: str) -> Iterator[Quantity]:
    """All quantities of the text, in the order of `PATTERNS`."""
    text = fold(text)
    for pattern, read in PATTERNS:
        rest, end = [], 0
        for match in pattern.finditer(text):
            if one := read(match):
                exact, loose, *more = one
                yield Quantity(*match.span(), frozenset(exact), frozenset(loose), *more)
                rest += [text[end : match.start()], FILLER * len(match[0])]
                end = match.end()
        text = "".join([*rest, text[end:]])


def fold(text: str) -> str:
    """The text in lower case and with ASCII digits, each character where it was."""
    return "".join(map(fold_character, text))


def fold_character(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    folded = unicodedata.normalize("NFKC", char).casefold() if not char.isascii() else char.lower()
    return folded if len(folded) == 1 else char
