"""What a number, an amount, a time or a date may mean: a pair of exact and loose readings each.

A number is a Decimal, a time is in minutes since midnight, and a date has year or None, month, day.
"""

from decimal import Decimal

import regex

from stages.scoring.number_words import (
    CHINESE_TIMES,
    CURRENCIES,
    MONTHS,
    OTHERS,
    TIMES,
    chinese_value,
    english_values,
)

Readings = tuple[set, set] | tuple[set, set, bool]  # the last: whether it is a claim of a summary


def group(match: regex.Match, name: str) -> str | None:
    """A group of the match; None where it is empty or the pattern has no such group."""
    return match.groupdict().get(name) or None


# Dates


def year_of(digits: str | None) -> int | None:
    if digits is None:
        return None
    return int(digits) + (2000 if len(digits) == 2 else 0)


def dates(year: int | None, *orders: tuple[int, int]) -> tuple[set, set] | None:
    """Readings of a date; `orders` are (month, day)."""
    possible = [(m, d) for m, d in orders if 1 <= m <= 12 and 1 <= d <= 31]
    if not possible:
        return None
    loose = {("date", None, m, d) for m, d in possible if year}
    return {("date", year, m, d) for m, d in possible}, loose | {
        number for m, d in possible for number in (Decimal(m), Decimal(d))
    }


def of_numeric_date(match: regex.Match) -> Readings | None:
    one, other = int(match["one"]), int(match["other"])
    return dates(year_of(group(match, "year")), (one, other), (other, one))


def of_named_date(match: regex.Match) -> Readings | None:
    return dates(year_of(group(match, "year")), (MONTHS[match["month"]], int(match["day"])))


def of_date(match: regex.Match) -> Readings | None:
    return dates(year_of(group(match, "year")), (int(match["month"]), int(match["day"])))


# Times


def of_time(match: regex.Match) -> Readings | None:
    hour, minute = int(match["hour"]), int(group(match, "minute") or 0)
    half = (group(match, "half") or " ")[0]
    if hour > 24 or minute > 59 or (half != " " and not 1 <= hour <= 12):
        return None
    hours = {"a": {hour % 12}, "p": {hour % 12 + 12}, " ": {hour % 24}}[half]
    if half == " " and 1 <= hour <= 12:
        hours = {hour % 12, hour % 12 + 12}
    return {("time", 60 * h + minute) for h in hours}, set() if minute else {Decimal(hour)}


# Amounts and other numbers


def number_values(digits: str) -> tuple[set, set]:
    """Exact readings of "1,234.50", and loose ones: its parts where it is no single number."""
    parts = regex.split(r"\D", digits)
    marks = regex.findall(r"\D", digits)
    if not marks:
        return {Decimal(digits)}, set()
    exact = set()
    if grouped(parts) and len(set(marks)) == 1 and marks[0] != "٫":
        exact.add(Decimal("".join(parts)))
    whole, fraction = parts[:-1], parts[-1]
    decimal = marks[-1] in ".,٫" and marks[-1] not in marks[:-1] and len(set(marks[:-1])) <= 1
    if decimal and (len(whole) == 1 or grouped(whole)):
        exact.add(Decimal("".join(whole) + "." + fraction))
    loose = set()
    if marks[0] == " " or not exact:  # "iPhone 7 256 GB", or a version: 1.0.64
        loose = {Decimal(part) for part in parts}
    if len(parts) == 2 and len(fraction) == 2 and int(whole[0]) < 24 and int(fraction) < 60:
        loose |= {("time", 60 * h + int(fraction)) for h in (int(whole[0]), int(whole[0]) + 12)}
    return exact or {digits}, loose


def grouped(parts: list[str]) -> bool:
    """Whether these are the groups of one number: of three digits, or as in India of two before."""
    first, *rest = parts
    if not rest or not 1 <= len(first) <= 3 or len(rest[-1]) != 3:
        return False
    return {len(part) for part in rest[:-1]} <= {3} or {len(part) for part in rest[:-1]} == {2}


def of_number(match: regex.Match) -> Readings:
    exact, loose = number_values(match["digits"])
    if unit := (group(match, "unit") or "").strip():
        scale = {"k": 1_000}.get(unit) or TIMES.get(unit) or CHINESE_TIMES[unit]
        loose |= exact
        exact = {(value * scale) for value in exact if isinstance(value, Decimal)}
    if sign := group(match, "before") or group(match, "after"):
        loose |= exact
        exact = {(code, value) for code in CURRENCIES[sign] for value in exact}
    return exact, loose


def of_english(match: regex.Match) -> Readings:
    values = english_values(regex.findall(r"[a-z]+", match[0]))
    return {Decimal(v) for v in values}, set(), values not in ([0], [1])


def of_other(match: regex.Match) -> Readings:
    return {Decimal(OTHERS[match[0]])}, set(), False


def of_chinese(match: regex.Match) -> Readings:
    # No claim, for 一 and 十 are parts of many words.
    return {chinese_value(match[0])}, set(), False
