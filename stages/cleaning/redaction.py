"""Personal numbers and addresses out of text: each becomes a placeholder that says its kind.

A placeholder is a word in round brackets, which the cleaning rules leave as it is. Names, postal
addresses and dates of birth are not looked for.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import compress

import polars as pl

from stages.cleaning import (
    addresses,
    digit_runs,
    disguised,
    grouped,
    ibans,
    national_ids,
    order_numbers,
)
from stages.cleaning.ascii_view import CHANGED, ascii_view, hide, shown
from stages.params import Redaction

Finder = Callable[[str], Iterator[tuple[int, int, str]]]  # start, end and kind of what it finds
# What tells in which texts of a column it may find something: a pattern, or a function of the column.
Sieve = str | Callable[[pl.Series], pl.Series]
# For what is shown to people: whatever any country would call a number.
ANYWHERE = Redaction(regions=["all"], patterns={})
# Each number and address has one of these, in a text of ASCII and in any other.
IN_ASCII = (r"[0-9]|@ ?\S+\.|%40", disguised.EMAIL_SIGN)  # faster than as one pattern
IN_OTHERS = (
    rf"\d|\S[@＠]|[@＠] \S+\.|%40|&(?:amp;)*#|{disguised.EMAIL_SIGN}|(?i:[（［｛＜]\s?[aä@ａ＠])"
)


def redact_column(texts: pl.Series, redaction: Redaction) -> tuple[pl.Series, Counter]:
    """The column without what identifies a person, and how much of each kind was taken out."""
    counts: Counter = Counter()
    finders, sieves = zip(*finders_of(redaction), strict=True)
    at, may_find = sift(texts, redaction, sieves)
    if not len(at):
        return texts, counts
    flags = zip(*(flag.to_list() for flag in may_find), strict=True)
    some = zip(texts.gather(at).to_list(), flags, strict=True)
    new = [replace(text, compress(finders, flags), counts) for text, flags in some]
    # A clone, for scatter changes the series that it is called on.
    return (texts.clone().scatter(at, new) if counts else texts), counts


def sift(
    texts: pl.Series, redaction: Redaction, sieves: Sequence[Sieve]
) -> tuple[pl.Series, list[pl.Series]]:
    """Indices of the texts that a sieve lets through: few, for which Python is fast enough. And of
    each sieve, whether it lets each of them through."""
    odd = (texts.str.len_bytes() != texts.str.len_chars()) | texts.str.contains("&", literal=True)
    others = odd.arg_true()
    # Patterns of one's own may look for anything, and the view may show it.
    sign = f"{IN_OTHERS}|{CHANGED}" if redaction.patterns else IN_OTHERS
    some = texts.str.contains(IN_ASCII[0]) | texts.str.contains(IN_ASCII[1])
    some = some.scatter(others, texts.gather(others).str.contains(sign))
    for pattern in redaction.patterns.values():
        some |= may_match(pattern, texts)
    at = (some.fill_null(False) & texts.is_not_null()).arg_true()
    views = texts.gather(at)
    others = odd.gather(at).arg_true()
    changed = others.filter(views.gather(others).str.contains(CHANGED))
    if len(changed):
        seen = [ascii_view(text)[0] for text in views.gather(changed)]
        views = views.scatter(changed, seen)
    hits = views.str.contains(
        "|".join(f"(?:{sieve})" for sieve in sieves if isinstance(sieve, str))
    )
    told = {sieve: sieve(views) for sieve in sieves if callable(sieve)}
    for passing in told.values():
        hits |= passing
    some = views.filter(hits)
    return at.filter(hits), [
        told[sieve].filter(hits) if sieve in told else some.str.contains(sieve) for sieve in sieves
    ]


def may_match(pattern: str, texts: pl.Series) -> pl.Series:
    # Null where it is of a kind that polars lacks, with look-around: then any text may match.
    return texts.str.contains(pattern, strict=False).fill_null(True)


def redact(text: str, redaction: Redaction, counts: Counter) -> str:
    """One text with placeholders in it; `counts` gains what was replaced, by kind."""
    return replace(text, [find for find, _ in finders_of(redaction)], counts)


def replace(text: str, finders: Iterable[Finder], counts: Counter) -> str:
    """The text with a placeholder for all that is found; each finder sees what those before left."""
    view, starts = ascii_view(text)
    spans = []
    for find in finders:
        if found := sorted(find(view)):
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


def finders_of(redaction: Redaction) -> list[tuple[Finder, Sieve]]:
    """In order, for what one finds is hidden from the next."""
    return _finders_of(tuple(redaction.regions), tuple(redaction.patterns.items()))


@lru_cache
def _finders_of(regions: tuple[str, ...], patterns: tuple[tuple[str, str], ...]) -> list[tuple]:
    own = [(name, in_view(pattern)) for name, pattern in patterns]
    return [
        *((partial(find_own, re.compile(p), name), partial(may_match, p)) for name, p in own),
        (addresses.find_emails, addresses.EMAIL_SIEVE),
        (disguised.find_emails, disguised.EMAIL_SIEVE),
        (disguised.find_spaced_emails, disguised.SPACED_SIEVE),
        (disguised.find_sort_codes, disguised.SORT_CODE_SIEVE),
        (partial(disguised.find_joined, regions=regions), disguised.JOINED_SIEVE),
        (partial(disguised.find_singles, regions=regions), disguised.SINGLE_SIEVE),
        (partial(disguised.find_broken, regions=regions), disguised.BROKEN_SIEVE),
        (partial(grouped.find_grouped, regions=regions), grouped.SIEVE),
        (ibans.find_ibans, ibans.SIEVE),
        (addresses.find_ips, addresses.IP_SIEVE),
        (national_ids.find_ids, national_ids.SIEVE),
        (order_numbers.find_named, order_numbers.sieve_named),
        (order_numbers.find_parcels, order_numbers.PARCEL_SIEVE),
        (partial(digit_runs.find_numbers, regions=regions), digit_runs.SIEVE),
        (order_numbers.find_hashed, order_numbers.HASHED_SIEVE),
    ]


def in_view(pattern: str) -> str:
    """A regular expression for the view, in which full-width signs are ASCII."""
    return re.sub(r"[^\x00-\x7f]", lambda char: re.escape(shown(char[0])) or char[0], pattern)


def find_own(pattern: re.Pattern, name: str, text: str) -> Iterator[tuple[int, int, str]]:
    for match in pattern.finditer(text):
        if match[0]:
            yield *match.span(), name
