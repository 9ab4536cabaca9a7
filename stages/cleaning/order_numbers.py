"""Numbers that a word or a sign announces as somebody's: of an order, an account, a parcel."""

import re
from collections.abc import Iterator

import polars as pl

from stages.cleaning.digit_runs import DATE
from stages.cleaning.order_words import JOINS, LATIN, MARKS, OTHER
from stages.cleaning.word_list import any_of


def words(languages: dict[str, str]) -> list[str]:
    return [word for listed in languages.values() for word in listed.split("|")]


LATIN_NAMES, OTHER_NAMES = any_of(words(LATIN)), any_of(words(OTHER))
# Long enough to be one with other letters before it: `myorder`, `Theaccount`.
LONG_NAMES = any_of(word for word in words(LATIN) if len(word) >= 5)
ALL_WORDS = words(LATIN) + words(OTHER)
FIRST = "".join(sorted({word[0] for word in words(LATIN) + words(OTHER)}))
# Of an account's balance or an order's sum.
AMOUNT = "金额|金額|余额|餘額|总额|總額|総額|合计|合計|残高|금액|잔액|합계"
# In a text of small letters. Languages without capitals have endings of a few letters.
NAME = re.compile(
    rf"(?=[{FIRST}])(?:(?<![a-z0-9]){LATIN_NAMES}(?:'s|s|en|er)?"
    rf"|(?P<inner>{LONG_NAMES})(?:'s|s|en|er)?|{OTHER_NAMES}(?!{AMOUNT})[^\W\d_a-z]{{0,4}})"
)
# What may stand beside the number besides words: marks, quotes, brackets, Markdown's stars.
SIGNS = r"[\s.,;|:#=*\"'“”„‘’«»「『(\[_-]"
# Every pattern is bounded or starts where a word does, so that a text of any length takes linear time.
# A group in a lookahead and again behind it is as long as it can be: Python before 3.11.5 errs in
# possessive repeats of what looks ahead.
VALUE = re.compile(
    rf"(?P<marked>(?:[\s.:#_-]{{0,3}}(?:{MARKS})\.?){{0,3}})"
    rf"(?P<sign>{SIGNS}{{0,6}}(?:(?:{JOINS}){SIGNS}{{0,5}})?)"
    r"(?:(?=(?P<grouped>[0-9]{2,8}(?:(?: (?!(?:19|20)[0-9]{2}\b(?! [0-9]{4}\b))|\.(?=[0-9]{3}))[0-9]{2,8}){1,8}))"
    r"(?P=grouped)(?![0-9]|[.,:/][0-9])"
    r"|(?=(?P<code>(?=[A-Z-]{0,10}[0-9])[A-Z0-9](?:[A-Z0-9]|[-/](?=[A-Z0-9])){2,60}))(?P=code))"
    r"(?![.,][0-9]{1,2}(?![0-9]))",
    re.IGNORECASE,
)
# For polars, on small letters: cheap sieves first, for the exact one is slow.
CODED = (
    r"[0-9][A-Za-z0-9/-]{2}|[A-Za-z0-9][0-9][A-Za-z0-9/-]|[A-Za-z0-9/-]{2}[0-9]"
    r"|[0-9]{2}(?: |\.[0-9])[0-9]{2}"
)
ANNOUNCED = (
    rf"(?:(?:(?:^|[^a-z]){LATIN_NAMES}|{LONG_NAMES})(?:'s|s|en|er)?|{OTHER_NAMES}[\p{{L}}\p{{N}}]{{0,4}})"
    rf"(?:{SIGNS}|{MARKS}|{JOINS})*[a-zı\x{{307}}-]{{0,20}}[0-9]"  # İ is small in two characters
).replace(r"\b", "")
HASHED = re.compile(
    r"[#№] ?(?=[A-Z-]{0,5}[0-9])"
    r"([A-Z0-9-]{4,60}|[0-9]{2,6}(?:[ ./-](?!(?:19|20)[0-9]{2}\b)[0-9]{2,6}){1,3}(?![0-9]))",
    re.IGNORECASE | re.ASCII,
)
HASHED_SIEVE = r"(?i)[#№] ?[A-Z-]{0,5}[0-9][0-9-]"
CODE = re.compile("[A-Z0-9]{10,}")
PARCEL_SIEVE = r"(?:[A-Z]*[0-9]){8}"
UNIT = re.compile(
    r"\s*(?:am|pm|hours?|hrs?|min\w*|days?|weeks?|months?|years?|times|people|points|miles|kg|gb"
    r"|mb|km|usd|gbp|eur|rs|dollars?|pounds?|euros?|quid|stunden?|tagen?|uhr|wochen?|punkte"
    r"|heures?|jours?|semaines?|horas?|d[ií]as?|semanas?|puntos|pontos|or[ae]|giorn[io]|punti|uur"
    r"|dagen|zł|kč|tl|reais|pesos?|yuan|yen|rupees?|час\w*|дн\w*|мин\w*|руб\w*|балл\w*)(?![a-zà-ɏа-я])",
    re.IGNORECASE,
)
# After round numbers and short ones: nobody can tell whether a letter or a sign is of the next word.
SIGN = re.compile(r"\s*[x%$€£₹¥₽₩₺₴₪฿₫年月日时時分秒点點元円圓个個件人次원년월일시분개명บ]")
# Somebody whose name was taken out: #Person1#, speaker_2.
SOMEBODY = re.compile(
    r"(?:person|speaker|user|agent|customer|participant|caller)[_-]?\d\d?", re.IGNORECASE
)
# Codes that need no other word: those of airlines, and letters and digits joined by hyphens.
MIXED = re.compile(
    r"(?=[A-Z0-9]{6}\Z)[A-Z0-9]*(?:[A-Z][0-9]+[A-Z]|[0-9][A-Z]+[0-9])[A-Z0-9]*"
    r"|(?i:(?=(?:-?[A-Z0-9])*\Z)(?=(?:[A-Z-]*[0-9]){3})(?=[^-]*-[^-]*-).*[A-Z].*)"
)
CODES = {"pnr", "locator", "localizador"}  # words for a booking's code
# How long a number is: "the serial number, 20digits".
LENGTH = re.compile(r"\d\d?-?(?:digits?|characters?|letters?|numbers?|stellig\w*)", re.IGNORECASE)
YEAR = re.compile(r"[A-Z]*(?:19|20)\d\d[A-Z]*", re.IGNORECASE | re.ASCII)


def sieve_named(texts: pl.Series) -> pl.Series:
    """Whether `find_named` may find something in each text."""
    at = texts.str.contains(CODED).arg_true()
    coded = texts.gather(at)
    # Letters beyond ASCII have capitals, too, that only lower case finds.
    others = (coded.str.len_bytes() != coded.str.len_chars()).arg_true()
    low = coded.clone().scatter(others, coded.gather(others).str.to_lowercase())
    at = at.filter(low.str.contains_any(ALL_WORDS, ascii_case_insensitive=True))
    at = at.filter(texts.gather(at).str.to_lowercase().str.contains(ANNOUNCED))
    return pl.repeat(False, len(texts), eager=True).scatter(at, True)


def find_named(text: str) -> Iterator[tuple[int, int, str]]:
    low = text.lower()
    if len(low) != len(text):  # a capital of two small characters
        low = "".join(char.lower()[0] for char in text)
    end = 0
    for name in NAME.finditer(low):
        match = VALUE.match(text, name.end())
        if match and is_named_number(match, text, name):
            value = match.start("code" if match["code"] else "grouped")
            sign = text.find("#", match.start("sign"), value)
            # Two words may announce one number, as in "order ref 12345".
            start = max(end, value if sign < 0 else sign)
            end = max(end, match.end())
            if start < end:
                yield start, end, "number"


def is_named_number(match: re.Match, text: str, name: re.Match) -> bool:
    inner = bool(name["inner"])
    marked = bool(match["marked"] or "#" in match["sign"] or name[0] in CODES)
    value = match["code"] or match["grouped"]
    if (
        DATE.fullmatch(value)
        or SOMEBODY.fullmatch(value)
        or LENGTH.fullmatch(value)
        or UNIT.match(text, match.end())
    ):
        return False
    digits = sum(map(str.isdigit, value))
    letters = 0 if match["grouped"] else len(value) - digits
    if not letters and SIGN.match(text, match.end()) and (digits < 5 or value.endswith("0")):
        return False
    if re.search("[,;|]", match["sign"]):  # what follows may be another part of the sentence
        return digits >= (5 if marked else 6) and not value.endswith("000")
    if match["grouped"]:
        return digits >= 7
    if (inner and not letters) or not marked:
        return digits >= 5 or bool(MIXED.fullmatch(value))
    return digits >= 3 or bool(letters and len(value) >= (5 if value.isupper() else 7))


def find_hashed(text: str) -> Iterator[tuple[int, int, str]]:
    for match in HASHED.finditer(text):
        digits = sum(map(str.isdigit, match[1]))
        spaced = re.search(r"[ ./]", match[1])
        if (
            YEAR.fullmatch(match[1].strip("-"))
            or DATE.match(text, match.start(1))
            or digits < (5 if spaced else 4)
        ):
            continue
        if re.match(r"[A-Z-]{0,5}\d{4}|\d+[ ./-]", match[1], re.IGNORECASE | re.ASCII):
            yield *match.span(), "number"


def find_parcels(text: str) -> Iterator[tuple[int, int, str]]:
    for match in CODE.finditer(text):
        start, end = match.span()
        if text[end - 1].isalpha() and text[end : end + 1].islower():
            end -= 1  # the capital of the next word
        digits = sum(map(str.isdigit, text[start:end]))
        if re.search(r"[0-9]\.\Z", text[max(0, start - 2) : start]):
            continue  # a fraction
        if digits >= 8 and 10 <= end - start <= 34 and digits < end - start:
            yield start, end, "number"
