"""Personal numbers and addresses out of text: each becomes a placeholder that says its kind.

A placeholder is a word in round brackets, which the cleaning rules leave as it is. Names, postal
addresses and dates of birth are not looked for.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import polars as pl

from stages.cleaning import addresses, digit_runs, ibans, order_numbers
from stages.cleaning.ascii_view import CHANGED, ascii_view, hide, shown
from stages.params import Redaction

Finder = Callable[[str], Iterator[tuple[int, int, str]]]  # start, end and kind of what it finds
# For what is shown to people: whatever any country would call a number.
ANYWHERE = Redaction(regions=["all"], patterns={})
ANY = r"\d|[@＠]|%40|&(?:amp;)*#"  # of these, each number and address has at least one
SIEVES = (
    addresses.EMAIL_SIEVE,
    addresses.IP_SIEVE,
    ibans.SIEVE,
    digit_runs.SIEVE,
    order_numbers.HASHED_SIEVE,
    order_numbers.PARCEL_SIEVE,
)


def redact_column(texts: pl.Series, redaction: Redaction) -> tuple[pl.Series, Counter]:
    """The column without what identifies a person, and how much of each kind was taken out."""
    counts: Counter = Counter()
    at = sieve(texts, redaction)
    if not len(at):
        return texts, counts
    new = [redact(text, redaction, counts) for text in texts.gather(at)]
    # A clone, for scatter changes the series that it is called on.
    return (texts.clone().scatter(at, new) if counts else texts), counts


def sieve(texts: pl.Series, redaction: Redaction) -> pl.Series:
    """Indices of the texts that a rule may apply to: few, for which Python is fast enough."""
    some = texts.str.contains(ANY)
    for pattern in redaction.patterns.values():
        # Null where it is of a kind that polars lacks, with look-around: then any text may match.
        some |= texts.str.contains(pattern, strict=False).fill_null(True)
    at = (some.fill_null(False) & texts.is_not_null()).arg_true()
    views = texts.gather(at)
    changed = views.str.contains(CHANGED).arg_true()
    if len(changed):
        seen = [ascii_view(text)[0] for text in views.gather(changed)]
        views = views.scatter(changed, seen)
    hits = views.str.contains("|".join(f"(?:{sieve})" for sieve in SIEVES))
    hits = hits.scatter(order_numbers.sieve_named(views), True)
    for pattern in redaction.patterns.values():
        hits |= views.str.contains(in_view(pattern), strict=False).fill_null(True)
    return at.filter(hits)


def redact(text: str, redaction: Redaction, counts: Counter) -> str:
    """One text with placeholders in it; `counts` gains what was replaced, by kind."""
    view, starts = ascii_view(text)
    spans = []
    for find in finders(redaction):
        found = sorted(find(view))
        spans += found
        view = hide(view, [(start, end) for start, end, _ in found])
    if not spans:
        return text
    out, at = [], 0
    for start, end, kind in sorted(spans):
        counts[kind] += 1
        if starts:
            start, end = starts[start], starts[end]
        # Between the placeholder and a Latin letter goes a space, and one word stays one word.
        before, after = text[max(at, start - 1) : start], text[end : end + 1]
        out += [text[at:start], " " * is_latin(before), f"({kind})", " " * is_latin(after)]
        at = end
    return "".join([*out, text[at:]])


def is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def finders(redaction: Redaction) -> list[Finder]:
    """In order: what one finds is hidden from the next."""
    return _finders(tuple(redaction.regions), tuple(redaction.patterns.items()))


@lru_cache
def _finders(regions: tuple[str, ...], patterns: tuple[tuple[str, str], ...]) -> list[Finder]:
    own = [partial(find_own, re.compile(in_view(pattern)), name) for name, pattern in patterns]
    return [
        *own,
        addresses.find_emails,
        ibans.find_ibans,
        addresses.find_ips,
        order_numbers.find_named,
        order_numbers.find_parcels,
        partial(digit_runs.find_numbers, regions=regions),
        order_numbers.find_hashed,
    ]


def in_view(pattern: str) -> str:
    """A regular expression for the view, in which full-width signs are ASCII."""
    return re.sub(r"[^\x00-\x7f]", lambda char: re.escape(shown(char[0])) or char[0], pattern)


def find_own(pattern: re.Pattern, name: str, text: str) -> Iterator[tuple[int, int, str]]:
    for match in pattern.finditer(text):
        if match[0]:
            yield *match.span(), name
