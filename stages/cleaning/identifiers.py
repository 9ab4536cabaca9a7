"""What a run of digits is: a card, a phone or another personal number, by its digits and grouping.

The check of cards is that of ISO/IEC 7812 (Luhn); `phones` has the numbering plans.
"""

import re
from functools import lru_cache

from stages.cleaning.phones import is_international, is_national, is_short, is_valid_international

CARD = re.compile(
    r"(?=[3-6]|2[2-7])(?:\d{13,19}|\d{4}(?: \d{4}){2,3}(?: \d{1,4})?|\d{4} \d{6} \d{4,5})"
)
YEARS = re.compile(r"\d\d?|(?:19|20)\d\d")
THOUSANDS = re.compile(r"\d{1,3}([ .])\d{3}(\1\d{3})*")  # an amount, grouped as people group it
DECIMAL = re.compile(r"\d{1,3}\.(\d+)")


@lru_cache(maxsize=10_000)
def kind_of(run: str, glued: bool, regions: tuple[str, ...]) -> str | None:
    """`card`, `phone`, `number` or None, of digits with the separators between and before them.

    `glued`: whether a Latin letter stands right beside the run.
    """
    digits, groups = re.sub(r"\D", "", run), re.findall(r"\d+", run)
    if not 7 <= len(digits) <= 34:
        return None
    if digits.startswith("00") and len(digits) <= 17 and is_valid_international(digits[2:]):
        return "phone"
    if CARD.fullmatch(" ".join(groups)) and luhn(digits):
        return "card"
    if decimal := DECIMAL.fullmatch(run):
        kind = kind_of(decimal[1], glued, regions)
        return kind if kind == "card" or (kind == "phone" and decimal[1][0] == "0") else None
    if is_phone(run, digits, groups, glued, regions):
        return "phone"
    return "number" if is_number(run, digits, groups) else None


def luhn(digits: str) -> bool:
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d // 10 + d % 10 for d in doubled)) % 10 == 0


def is_phone(run: str, digits: str, groups: list[str], glued: bool, regions: tuple) -> bool:
    if "+" in run and len(digits) <= 15 and is_international(digits):
        return True
    if len(digits) > 13:
        return False
    lengths = [len(group) for group in groups]
    # North American numbers by their shape, for people make up ones that nobody was given.
    if lengths == [3, 3, 4] or (lengths == [1, 3, 3, 4] and digits[0] == "1"):
        return not are_round(groups)
    if re.fullmatch(r"\d{3}-\d{4}", run):
        return not glued and not are_round(groups)
    few = len(digits) < (9 if glued or len(groups) > 2 else 10)
    if few and (glued or digits[0] != "0"):
        # So few are as often a price, a count or an item, but where numbers are no longer.
        return not glued and "." not in run and is_short(digits, regions)
    if max(lengths) < 3 and (len(groups) < 4 or len(set(re.findall(r"(?<=\d)\D+", run))) > 1):
        return False  # dates and times
    many = len(groups) > 4 or (len(groups) > 1 and are_round(groups))
    if digits[0] != "0" and (many or all(YEARS.fullmatch(group) for group in groups)):
        return False  # a list of counts, of sizes, of years
    if "." in run and not is_dotted_phone(run, groups):
        return False
    if THOUSANDS.fullmatch(run) and groups[-1] == "000":
        return False
    return is_national(digits, regions)


def is_dotted_phone(run: str, groups: list[str]) -> bool:
    """Amounts, versions and times are dotted too."""
    if groups[0][0] == "0":
        return groups[0] != "0"
    return 1 < len(groups) < 4 and min(map(len, groups)) > 2 and not THOUSANDS.fullmatch(run)


def is_number(run: str, digits: str, groups: list[str]) -> bool:
    """A long number of an account, an order, a person: by itself, or in groups as they are printed."""
    lengths = [len(group) for group in groups]
    if max(lengths) >= 9:
        return " " not in run.lstrip("+ ")
    if len(digits) < 9 or are_round(groups) or all(YEARS.fullmatch(group) for group in groups):
        return False
    if min(lengths) >= 6:
        return True
    if len(groups) < 3 or max(lengths) < 3:
        return False
    if set(lengths[:-1]) == {4} and lengths[-1] <= 4:
        return True
    if set(lengths) == {3}:
        return len(groups) > 3 or "-" in run or "/" in run
    # 123-45-6789, 12.345.678/0001-95, 408-1234567-1234567
    return " " not in run and ("-" in run or "/" in run)


def are_round(groups: list[str]) -> bool:
    """Prices, counts and sizes are; numbers that identify somebody are not."""
    return all(group[-1] == "0" for group in groups)
