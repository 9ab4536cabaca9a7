"""Numbers, amounts, times and dates in a text, and whether another text holds the same.

What is written in two ways has one reading in common: "1,234.50" and "1.234,50", "two" and "2",
"3pm" and "15:00", "$5" and "5 USD", "5 March" and "03/05". Where a writing is ambiguous it has all
its readings, and one that fits is enough.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from stages.scoring import readings
from stages.scoring.number_words import (
    CHINESE,
    CHINESE_TIMES,
    CURRENCIES,
    ENGLISH,
    MONTHS,
    OTHERS,
    TIMES,
    one_of,
)

FILLER = "\ufffc"  # in place of what is read already


@dataclass(frozen=True)
class Quantity:
    """`exact` has every reading of text[start:end]; `loose` those that say less, such as the 5 of $5.

    `claim` is False for words that are numbers among other things, such as "one" and "second".
    """

    start: int
    end: int
    exact: frozenset
    loose: frozenset = frozenset()
    claim: bool = True


class Held:
    """The quantities of a conversation."""

    def __init__(self, text: str):
        found = list(quantities(text))
        self.exact = frozenset().union(*(one.exact for one in found))
        self.loose = frozenset().union(*(one.loose for one in found))

    def __contains__(self, one: Quantity) -> bool:
        # Two loose readings are no match: $5 is not 5 €, and 3 pm is not 3 am.
        return bool((one.exact | one.loose) & self.exact or one.exact & self.loose)


def quantities(text: str) -> Iterator[Quantity]:
    """All quantities of the text, in the order of the patterns below."""
    text = fold(text)
    for pattern, read in PATTERNS:
        for match in pattern.finditer(text):
            if one := read(match):
                exact, loose, *claim = one
                yield Quantity(*match.span(), frozenset(exact), frozenset(loose), *claim)
                text = text[: match.start()] + FILLER * len(match[0]) + text[match.end() :]


def fold(text: str) -> str:
    """The text in lower case and with ASCII digits, each character where it was."""
    return "".join(map(fold_character, text))


def fold_character(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    folded = unicodedata.normalize("NFKC", char).casefold() if not char.isascii() else char.lower()
    return folded if len(folded) == 1 else char


YEAR = r"(?P<year>\d{4})"
MONTH = rf"(?P<month>{one_of(MONTHS)})\.?"
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|\.)?"
HOUR, MINUTE = r"(?P<hour>\d{1,2})", r"(?P<minute>\d\d)"
START, END = r"(?<![\d\p{L}]|\d[.,:/])", r"(?![\d\p{L}])"
MONEY, ENGLISH_WORD = one_of(CURRENCIES), rf"(?:{one_of([*ENGLISH, *TIMES])})"
CHINESE_TIME = "".join(CHINESE_TIMES)
# 1,234.50 and, where the groups have three digits, 1 234.
DIGITS = (
    r"(?P<digits>\d+(?:[.,'’٫٬\u00a0\u202f]\d+"
    r"| (?=\d{3}(?!\d))(?<=(?<!\d)\d{1,3} | \d{3} )\d{3})*)"
)
# 15 Uhr 30, 15h30, 3点30分.
WORDED_TIME = rf"(?<!\d){HOUR}(?:\s?uhr\b|h(?=\d\d(?!\d))|\s?[時时点點시](?!间|間))"
WORDED_MINUTE = r"(?:\s?(?P<minute>\d{1,2})(?!\d)\s?[分분]?)?"
BEFORE = rf"(?:(?<!\p{{L}})(?P<before>{MONEY})\s?)?"
AFTER = rf"(?:\s?(?P<after>{MONEY})(?!\p{{Latin}}))?"
UNIT = rf"(?P<unit>k(?!\p{{L}})|\s(?:{one_of(TIMES)})\b|[{CHINESE_TIME}])"

# In this order: what a pattern has found is hidden from the next ones. A group that a reader asks
# for and a pattern lacks is None.
PATTERNS: list[tuple[regex.Pattern, Callable]] = [
    (regex.compile(pattern), read)
    for pattern, read in [
        (
            rf"{START}{YEAR}([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}})(?!\d)",
            readings.of_date,
        ),
        (
            rf"{START}(?P<one>\d{{1,2}})([-/.])(?P<other>\d{{1,2}})\2(?P<year>\d{{4}}|\d\d)(?!\d|\.\d)",
            readings.of_numeric_date,
        ),
        (
            rf"{START}(?P<one>\d{{1,2}})/(?P<other>\d{{1,2}})(?!\d|[/.]\d)",
            readings.of_numeric_date,
        ),
        (
            rf"(?:{YEAR}\s?[年년]\s?)?(?P<month>\d{{1,2}})\s?[月월]\s?(?P<day>\d{{1,2}})(?:\s?[日号號일])?",
            readings.of_date,
        ),
        (
            rf"{START}{DAY}\s?(?:of |de )?{MONTH}{END}(?:,? (?:de )?{YEAR}(?!\d))?",
            readings.of_named_date,
        ),
        (
            rf"(?<!\p{{L}}){MONTH}\s?(?:the )?{DAY}{END}(?:,? {YEAR}(?!\d))?",
            readings.of_named_date,
        ),
        (rf"{START}{HOUR}(?:[:.]{MINUTE})?\s?(?P<half>[ap]\.?m\b\.?)", readings.of_time),
        (rf"{START}{HOUR}:{MINUTE}(?:\s?uhr\b)?(?![\d:])", readings.of_time),
        (WORDED_TIME + WORDED_MINUTE, readings.of_time),
        (rf"{BEFORE}{DIGITS}{UNIT}?{AFTER}", readings.of_number),
        (
            rf"(?<!\p{{L}}){ENGLISH_WORD}(?:[ -]{ENGLISH_WORD})*(?!\p{{L}})",
            readings.of_english,
        ),
        (rf"(?<!\p{{L}})(?:{one_of(OTHERS)})(?!\p{{L}})", readings.of_other),
        (rf"[{''.join(CHINESE)}{CHINESE_TIME}]+", readings.of_chinese),
    ]
]
