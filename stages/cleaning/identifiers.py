"""What a run of digits is: a card, a phone or an IBAN, by its own checks and no context.

Checks are those of the numbers' own standards: ISO 13616 for IBANs, ISO/IEC 7812 (Luhn) for cards,
and the numbering plans that `phonenumbers` holds.
"""

import re
from collections.abc import Callable
from functools import lru_cache

import phonenumbers

# Whose national formats are understood; a number with + may be of any country.
REGIONS = ("US", "GB", "IN", "DE", "FR", "ES", "IT", "AU", "BR", "NL", "NG", "ZA", "JP", "MX", "PL")
# The registry of ISO 13616: how long a country's IBANs are.
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ DZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE",
        31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
CARD = re.compile(
    r"(?=[3-6]|2[2-7])(?:\d{13,19}|\d{4}(?:[ .-]{1,3}\d{4}){2,3}(?:[ .-]{1,3}\d{1,4})?"
    r"|\d{4}[ .-]{1,3}\d{6}[ .-]{1,3}\d{4,5})"
)
YEARS = re.compile(r"\d\d?|(?:19|20)\d\d")


def is_iban(text: str) -> bool:
    plain = re.sub(r"[ -]", "", text).upper()
    if IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


@lru_cache(maxsize=10_000)
def kind_of(run: str) -> str | None:
    """`card`, `phone`, `number` or None, of digits with the separators between and before them."""
    digits = re.sub(r"\D", "", run)
    if not 7 <= len(digits) <= 34:
        return None
    if digits.startswith("00") and is_phone(run, digits):
        return "phone"
    if CARD.fullmatch(run) and luhn(digits):
        return "card"
    if is_phone(run, digits):
        return "phone"
    together = re.search(r"\d{9}", run) or re.fullmatch(r"\D*\d{3}-\d{7}-\d{7}", run)
    return "number" if together else None


def luhn(digits: str) -> bool:
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d // 10 + d % 10 for d in doubled)) % 10 == 0


def is_phone(run: str, digits: str) -> bool:
    if len(digits) > 15:
        return False
    if "+" in run:
        return accepted(phonenumbers.is_possible_number, "+" + digits)
    # North American numbers by their shape, for people make up ones that nobody was given.
    if re.fullmatch(r"\D*(?:1[ .-]?)?\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}", run):
        return True
    if re.fullmatch(r"\d{3}-\d{4}", run):
        return True
    if digits.startswith("00"):
        return accepted(phonenumbers.is_valid_number, "+" + digits[2:])
    if "." in run and not digits.startswith("0"):
        return False  # amounts, versions and addresses are dotted too
    groups = re.findall(r"\d+", run)
    if digits[0] != "0" and len(digits) < (9 if len(groups) > 2 else 10):
        return False  # so few are as often a price, a count or an item
    if digits[0] != "0" and (len(groups) > 4 or all(YEARS.fullmatch(group) for group in groups)):
        return False  # a list of counts, of seats, of years
    return any(accepted(phonenumbers.is_valid_number, digits, region) for region in REGIONS)


def accepted(check: Callable, digits: str, region: str | None = None) -> bool:
    try:
        return check(phonenumbers.parse(digits, region))
    except phonenumbers.NumberParseException:
        return False
