"""Personal numbers and addresses out of text: each becomes a placeholder that says its kind.

A placeholder is a word in round brackets, which the cleaning rules leave as it is.
"""

import ipaddress
import re
from collections import Counter

import polars as pl

from stages.cleaning.identifiers import is_iban, kind_of

NAMED = (
    r"order|account|acct|a/c|booking|reservation|confirmation|reference|ref|case|ticket|tracking"
    r"|invoice|customer|member|membership|policy|claim|parcel|shipment|consignment|request"
    r"|complaint|incident|imei|serial|pnr|sr|awb|loyalty|transaction|card"
)
# Every pattern is bounded or starts where a word does, so that a text of any length takes linear time.
EMAIL = re.compile(r"(?<![\w.%+'-])[\w.%+'-]{0,63}\w@\w[\w-]*(?:\.\w[\w-]*)+")
IBAN = re.compile(r"\b[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}(?![A-Z0-9])", re.IGNORECASE | re.ASCII)
IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)"
    r"|(?=[0-9A-F:.]{0,44}\d)[0-9A-F]{0,4}:[0-9A-F:]{0,30}:[0-9A-F:.]{0,39}[0-9A-F](?:%\w+)?(?![\w:])"
    r"|(?=[A-F:]{0,9}\d)[0-9A-F]{1,4}:(?:[0-9A-F]{1,4}:){0,6}:(?![\w:]))",
    re.IGNORECASE,
)
# Four parts are also what versions have.
VERSION = re.compile(
    r"\b(?:v|ver|version|versions|build|firmware|release|update|ios|android)\W{0,3}\Z",
    re.IGNORECASE,
)
DIGITS = re.compile(r"(?<![\w.,:$£€@])(?:\+ ?)?\(?\d[\d ()./\u2010-\u2013-]{5,}\d(?![\w%]|[.,:]\d)")
GLUED = re.compile(r"(?<![\w.,:$£€/])\+?\d{9,}(?=[A-Z]?[a-z])")  # a number run into a word
LONGEST = 15  # the groups of digits and the spaces between them that one number may have
# A day, a month and a year in any order, with separators or without.
DATE = re.compile(
    r"(?<!\d)((?:19|20)\d\d(?:[./-](?:0?[1-9]|1[0-2])[./-]|(?:0[1-9]|1[0-2]))(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[./-]?(?:0?[1-9]|[12]\d|3[01])[./-]?(?:19|20)\d\d)(?!\d)"
)
ORDER = re.compile(
    rf"\b(?P<name>{NAMED})s?(?P<marked>(?:[\s.:#-]{{0,3}}\b(?:number|numbers|no|nos|num|nr|id|code"
    r"|ref|reference|confirmation)\b)*)"
    r"(?P<sign>[\s.:#=-]{0,4}(?:\b(?:is|was|are|of|called|by)\b[\s:#]{0,3})?)"
    r"(?P<value>(?=[A-Z-]{0,10}\d)[A-Z0-9](?:[A-Z0-9]|[-/](?=[A-Z0-9])){2,40})(?![\w%]|[.,:]\d)",
    re.IGNORECASE,
)
HASHED = re.compile(r"(?<![\w&#])#(?=[A-Z-]{0,5}\d{4})[A-Z0-9-]*\d{2}(?!\w)", re.IGNORECASE)
PARCEL = re.compile(r"\b(?=(?:[A-Z]*\d){8})(?=\d*[A-Z])[A-Z0-9]{10,34}\b")
UNIT = re.compile(
    r"\s*(?:am|pm|hours?|hrs?|min\w*|days?|weeks?|months?|years?|times|people|points|miles|kg|gb|mb"
    r"|usd|gbp|eur|rs|dollars?|pounds?|euros?|quid|x)\b",
    re.IGNORECASE,
)


def redact_column(texts: pl.Series) -> tuple[pl.Series, Counter]:
    """The column without what identifies a person, and how much of each kind was taken out."""
    counts: Counter = Counter()
    # Few texts hold a digit or what may be an address; no rule applies to another.
    at = texts.str.contains(r"\d|@\S+\.").fill_null(False).arg_true()
    some = texts.gather(at)
    for sieve, rule in RULES:
        hits = some.str.contains(sieve).arg_true()
        if len(hits):
            some = some.scatter(hits, [rule(text, counts) for text in some.gather(hits).to_list()])
    return (texts.scatter(at, some) if counts else texts), counts


def redact(text: str, counts: Counter) -> str:
    """One text with placeholders in it; `counts` gains what was replaced, by kind."""
    for _, rule in RULES:
        text = rule(text, counts)
    return text


def _all(pattern: re.Pattern, kind: str):
    def rule(text: str, counts: Counter) -> str:
        text, found = pattern.subn(f"({kind})", text)
        if found:
            counts[kind] += found
        return text

    return rule


def _ibans(text: str, counts: Counter) -> str:
    def replace(match: re.Match) -> str:
        # What follows an IBAN may look like more of it: the longest that adds up is it.
        found = match[0]
        for end in range(len(found), 14, -1):
            rest = found[end : end + 1]
            if (not rest or rest in " -" or not found[end - 1].isalnum()) and is_iban(found[:end]):
                counts["iban"] += 1
                return "(iban)" + found[end:]
        return found

    return IBAN.sub(replace, text)


def _ips(text: str, counts: Counter) -> str:
    def replace(match: re.Match) -> str:
        try:
            ipaddress.ip_address(match[0])
        except ValueError:
            return match[0]
        if VERSION.search(text, 0, match.start()):
            return match[0]
        counts["ip"] += 1
        return "(ip)"

    return IP.sub(replace, text)


def _numbers(text: str, counts: Counter) -> str:
    """Cards, phones and long bare numbers: what a run of digits is shows in its digits alone."""

    def replace(match: re.Match) -> str:
        if "." in match[0] and VERSION.search(text, 0, match.start()):
            return match[0]
        # Dates stand at odd places and stay.
        parts = DATE.split(match[0])
        parts[::2] = (redact_run(part, counts) for part in parts[::2])
        return "".join(parts)

    return DIGITS.sub(replace, text)


def redact_run(run: str, counts: Counter) -> str:
    """Digits and separators, in which any stretch between spaces may be a number of its own."""
    words = re.split(r"( +)", run)  # spaces at odd places
    out, i = [], 0
    while i < len(words):
        for j in range(min(len(words), i + LONGEST), i, -2):
            bare = "".join(words[i:j]).strip("./-")
            if kind := kind_of(bare):
                counts[kind] += 1
                out.append(f"({kind})")
                break
        else:
            j = i + 1
            out.append(words[i])
        out += words[j : j + 1]
        i = j + 1
    return "".join(out)


def _orders(text: str, counts: Counter) -> str:
    def replace(match: re.Match) -> str:
        value, digits = match["value"], len(re.sub(r"\D", "", match["value"]))
        marked = match["marked"] or "#" in match["sign"]
        if DATE.fullmatch(value) or UNIT.match(text, match.end()):
            return match[0]
        letters = len(value) - digits
        coded = digits >= 3 or (letters and len(value) >= (5 if value.isupper() else 7))
        if not (coded if marked else digits >= 5):
            return match[0]
        counts["number"] += 1
        return match[0][: match.start("value") - match.start()].rstrip("# ") + " (number)"

    return ORDER.sub(replace, text)


# In order. An expression, cheap where Python is not, picks the texts that a rule may apply to. It
# has no Unicode word boundary, which is slow in a text with an emoji.
RULES = (
    (r"@\S+\.", _all(EMAIL, "email")),
    (r"(?i-u)\b[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11}", _ibans),
    (r"(?:\d{1,3}\.){3}\d|:[0-9A-Fa-f]{0,4}:", _ips),
    (rf"(?is)(?:^|[^a-z0-9])(?:{NAMED})s?(?:[^a-z0-9].*|[a-z-]{{0,10}})\d", _orders),
    (r"\d[\d ()./\x{2010}-\x{2013}-]{5,}\d", _numbers),
    (r"\d{9}", _all(GLUED, "number")),
    (r"(?i)#[A-Z-]{0,5}\d{4}", _all(HASHED, "number")),
    (r"(?:[A-Z]*\d){8}", _all(PARCEL, "number")),
)
