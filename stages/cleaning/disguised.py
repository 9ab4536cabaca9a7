"""Addresses and numbers that people write so that programs do not see them, and UK sort codes.

jo[at]example.com, jo (at) example (dot) com, 07700_900_123, 0 7 7 0 0 9 0 0 1 2 3, sort code 12-34-56;
and numbers that a line's end breaks.
"""

import re
from collections.abc import Iterator

from stages.cleaning.addresses import LATIN
from stages.cleaning.ascii_view import hide
from stages.cleaning.digit_runs import COUNTS, DATE, NUMBER, find_numbers
from stages.cleaning.identifiers import kind_of

OPEN, CLOSE = r"\s?[\[({<]\s?", r"\s?[\])}>]\s?"
DOT = rf"(?:\.|{OPEN}(?:dot|punkt|point|punto|ponto|\.){CLOSE}|\s(?:dot|punkt)\s)"
EMAIL_SIGN = r"[\[({<]\s?(?i:at|@|ät|arroba)\s?[\])}>]"
EMAIL_SIEVE = rf"\S\s?{EMAIL_SIGN}\s?\S"
NAME = rf"[{LATIN}%+'-]{{1,63}}"
EMAIL = re.compile(
    rf"(?<![{LATIN}.%+'-])(?:{NAME}{DOT}){{0,3}}?{NAME}{OPEN}(?:at|@|ät|arroba){CLOSE}"
    rf"[{LATIN}-]{{1,63}}(?:{DOT}[{LATIN}-]{{1,63}}){{0,3}}{DOT}(?![0-9_-])[{LATIN}]{{2,24}}",
    re.IGNORECASE,
)
# With spaces beside the @. `Shop @ example.com` is no address: a word for one has to come before it,
# or the name has a dot, or nothing else stands in the text.
SPACED_SIEVE = r"\S(?:@ | @ ?)\S+\.[A-Za-z]"
SPACED = re.compile(
    rf"(?<![{LATIN}.%+'-])(?P<name>[{LATIN}.%+'-]{{1,63}})(?: @ ?|@ )"
    rf"[{LATIN}][{LATIN}-]{{0,62}}(?:\.[{LATIN}-]{{1,63}}){{0,3}}\.[A-Za-z]{{2,24}}(?![{LATIN}])"
)
DOTTED = re.compile(rf"[{LATIN}]{{2,}}[._+][{LATIN}]{{2,}}")
MAIL = re.compile(
    r"(?:mail|courriel|correo|почт\w+|邮箱|郵箱|メール|이메일)\w*(?:\W{1,3}(?:address|adresse|is|ist|est|es|me|at|to)\b){0,3}\W{0,3}\Z",
    re.IGNORECASE,
)
JOINED_SIEVE = r"[0-9] ?_ ?[0-9]"
JOINED = re.compile(r"(?<![^\W_])(?<![^\W_]_)\+?\d+(?:(?: ?_ ?|-)\d+){1,15}(?!_?[^\W_])", re.ASCII)
BROKEN_SIEVE = r"[0-9][ .)-]{0,2}[\t\r\n]{1,2}[ (]{0,3}[0-9]"
BREAK = re.compile(r"[\t\r\n]")
SINGLE_SIEVE = r"[0-9](?:[ .-]{1,2}[0-9]{1,2}){8}"
SINGLE = re.compile(
    r"(?<!\d)(?<!\d[ .,:-])\+? ?\d(?:(?:  ?|[.-])\d{1,2}){8,33}(?![ .-]{0,2}\d|[,:]\d)", re.ASCII
)
PAIRS = r"\d\d(?P<mark>[ -]?)\d\d(?P=mark)\d\d(?!\d|-\d)"
SORT_CODE_SIEVE = r"(?i)sort[ -]?code|[0-9]{2}-[0-9]{2}-[0-9]{2}"
NAMED_SORT_CODE = re.compile(
    rf"\bsort[ -]?codes?\b[^\d\n]{{0,25}}(?P<code>{PAIRS})", re.IGNORECASE | re.ASCII
)
# Pairs and then an account's eight digits; pairs that are all of the text and no date. Alone in a
# sentence they may be a score or a date, and stay.
WITH_ACCOUNT = re.compile(
    r"(?<![\d-])\d\d-\d\d-\d\d[\s,;:/]{1,3}(?:(?:and|account|acct?|a/c|number|no)\W{1,3}){0,3}\d{8}(?!\d)",
    re.IGNORECASE | re.ASCII,
)
ALONE = re.compile(r"\W*(?P<code>\d\d-\d\d-\d\d)\W*", re.ASCII)


def find_emails(text: str) -> Iterator[tuple[int, int, str]]:
    for match in EMAIL.finditer(text):
        yield *match.span(), "email"


def find_spaced_emails(text: str) -> Iterator[tuple[int, int, str]]:
    for match in SPACED.finditer(text):
        alone = match[0] == text.strip()
        named = MAIL.search(text, max(0, match.start() - 40), match.start())
        if alone or named or DOTTED.search(match["name"]):
            yield *match.span(), "email"


def find_joined(text: str, regions: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Phones and cards with underscores between their groups; a date and a time are a file's name."""
    for match in JOINED.finditer(text):
        kind = kind_of(re.sub(" ?_ ?", "-", match[0]), False, regions)
        if "_" in match[0] and kind in ("phone", "card") and not DATE.match(match[0]):
            yield *match.span(), kind


def find_broken(text: str, regions: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Phones and cards over a line's end or a tab, which cleaning makes a space, where neither side
    is a number of its own."""
    text = hide(text, sorted((start, end) for start, end, _ in find_numbers(text, regions)))
    for start, end, kind in find_numbers(BREAK.sub(" ", text), regions):
        if kind in ("phone", "card") and BREAK.search(text, start, end):
            yield start, end, kind


def find_singles(text: str, regions: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Phones and cards whose digits stand apart. A list of counts is none, nor are 0 1 2 3 …"""
    for match in SINGLE.finditer(text):
        joined, before = (
            re.sub(r"[^\d+]", "", match[0]),
            text[max(0, match.start() - 40) : match.start()],
        )
        kind = kind_of(joined, False, regions)
        named = NUMBER.search(before)
        begins = re.match(r"\+|0[1-9]|00[1-9]", joined) and not COUNTS.search(before)
        if "123456789".startswith(joined.lstrip("0")[:9]):
            continue
        if kind == "card" or (kind == "phone" and (named or begins)):
            yield *match.span(), kind


def find_sort_codes(text: str) -> Iterator[tuple[int, int, str]]:
    spans = [match.span("code") for match in NAMED_SORT_CODE.finditer(text)]
    spans += [match.span() for match in WITH_ACCOUNT.finditer(text)]
    alone = ALONE.fullmatch(text)
    if alone and not DATE.fullmatch(alone["code"]):
        spans.append(alone.span("code"))
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            yield start, stop, "number"
            end = stop
