"""Personal numbers and addresses out of text: each becomes a placeholder that says its kind.

A placeholder is a word in round brackets, which the cleaning rules leave as it is. Names, postal
addresses and dates of birth are not looked for.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import polars as pl

from stages.cleaning import addresses, digit_runs, disguised, ibans, order_numbers
from stages.cleaning.ascii_view import CHANGED, ascii_view, hide, shown
from stages.params import Redaction

Finder = Callable[[str], Iterator[tuple[int, int, str]]]  # start, end and kind of what it finds
# For what is shown to people: whatever any country would call a number.
ANYWHERE = Redaction(regions=["all"], patterns={})
ANY = rf"\d|[@＠]|%40|&(?:amp;)*#|{disguised.EMAIL_SIGN}"  # of these, each number and address has at least one
SIEVES = (
    addresses.EMAIL_SIEVE,
    disguised.EMAIL_SIEVE,
    disguised.JOINED_SIEVE,
    disguised.SINGLE_SIEVE,
    disguised.SORT_CODE_SIEVE,
    addresses.IP_SIEVE,
    ibans.SIEVE,
    digit_runs.SIEVE,
    order_numbers.HASHED_SIEVE,
    order_numbers.PARCEL_SIEVE,
)


def redact_column(texts: pl.Series, redaction: Redaction) -> tuple[pl.Series, Counter]:
    """The column without what identifies a person, and how much of each kind was taken out."""
    counts: Counter = Counter()
    at, named = sieve(texts, redaction)
    if not len(at):
        return texts, counts
    some = zip(texts.gather(at).to_list(), named.to_list(), strict=True)
    new = [redact(text, redaction, counts, after_word) for text, after_word in some]
    # A clone, for scatter changes the series that it is called on.
    return (texts.clone().scatter(at, new) if counts else texts), counts


def sieve(texts: pl.Series, redaction: Redaction) -> tuple[pl.Series, pl.Series]:
    """Indices of the texts that a rule may apply to: few, for which Python is fast enough. And
    whether a word such as order may announce a number in each of them."""
    some = texts.str.contains(ANY)
    for pattern in redaction.patterns.values():
        # Null where it is of a kind that polars lacks, with look-around: then any text may match.
        some |= texts.str.contains(pattern, strict=False).fill_null(True)
    at = (some.fill_null(False) & texts.is_not_null()).arg_true()
    views = texts.gather(at)
    # Cheap tests first: the view of nearly every text is the text.
    odd = (views.str.len_bytes() != views.str.len_chars()) | views.str.contains("&", literal=True)
    odd = odd.arg_true()
    changed = odd.filter(views.gather(odd).str.contains(CHANGED))
    if len(changed):
        seen = [ascii_view(text)[0] for text in views.gather(changed)]
        views = views.scatter(changed, seen)
    hits = views.str.contains("|".join(f"(?:{sieve})" for sieve in SIEVES))
    named = order_numbers.sieve_named(views)
    hits |= named
    for pattern in redaction.patterns.values():
        hits |= views.str.contains(in_view(pattern), strict=False).fill_null(True)
    return at.filter(hits), named.filter(hits)


def redact(text: str, redaction: Redaction, counts: Counter, after_word: bool = True) -> str:
    """One text with placeholders in it; `counts` gains what was replaced, by kind.

    Without `after_word` no number is looked for that a word announces.
    """
    view, starts = ascii_view(text)
    spans = []
    for find, sign in finders(redaction):
        if sign and not sign.search(view):
            continue
        if find is order_numbers.find_named and not after_word:
            continue
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


def finders(redaction: Redaction) -> list[tuple[Finder, re.Pattern | None]]:
    """In order, for what one finds is hidden from the next; with a sign without which it finds
    nothing."""
    return _finders(tuple(redaction.regions), tuple(redaction.patterns.items()))


@lru_cache
def _finders(regions: tuple[str, ...], patterns: tuple[tuple[str, str], ...]) -> list[tuple]:
    own = [partial(find_own, re.compile(in_view(pattern)), name) for name, pattern in patterns]
    return [
        *((find, None) for find in own),
        (addresses.find_emails, re.compile("@|%40")),
        (disguised.find_emails, re.compile(disguised.EMAIL_SIGN)),
        (disguised.find_sort_codes, re.compile(r"[cC][oO][dD][eE]|-\d\d-")),
        (partial(disguised.find_joined, regions=regions), re.compile("_")),
        (partial(disguised.find_singles, regions=regions), re.compile(r"(?:[ .-]{1,2}\d\d?){5}")),
        (ibans.find_ibans, re.compile(r"[A-Za-z]{2}\d[ ./-]{0,2}\d")),
        (addresses.find_ips, re.compile(r"\d\.\d+\.\d|:[0-9A-Fa-f]{0,4}:")),
        (order_numbers.find_named, None),
        (order_numbers.find_parcels, re.compile("[A-Z0-9]{10}")),
        (partial(digit_runs.find_numbers, regions=regions), None),
        (order_numbers.find_hashed, re.compile("[#№]")),
    ]


def in_view(pattern: str) -> str:
    """A regular expression for the view, in which full-width signs are ASCII."""
    return re.sub(r"[^\x00-\x7f]", lambda char: re.escape(shown(char[0])) or char[0], pattern)


def find_own(pattern: re.Pattern, name: str, text: str) -> Iterator[tuple[int, int, str]]:
    for match in pattern.finditer(text):
        if match[0]:
            yield *match.span(), name
