"""IBANs in a text: a country of the registry, its length, and a checksum that adds up (ISO 13616)."""

import re
from collections.abc import Iterator

# The registry: how long a country's IBANs are.
LENGTHS = {
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
SEPARATORS = "[ ./-]{0,2}"
SIEVE = r"(?i)[A-Z]{2}[0-9][ ./-]{0,2}[0-9](?:[ ./-]{0,2}[A-Z0-9]){11}"
START = re.compile(r"[A-Za-z]{2}[0-9]")  # letters may stand right before it: `ibanGB82…`
BODY = re.compile(
    rf"[A-Z]{{2}}[0-9]{SEPARATORS}[0-9](?:{SEPARATORS}[A-Z0-9]){{11,29}}", re.IGNORECASE | re.ASCII
)


def find_ibans(text: str) -> Iterator[tuple[int, int, str]]:
    found = 0
    for match in START.finditer(text):
        length = LENGTHS.get(match[0][:2].upper())
        body = BODY.match(text, match.start()) if length and match.start() >= found else None
        if not body:
            continue
        at = [i for i, char in enumerate(body[0]) if char.isalnum()][:length]
        plain = "".join(body[0][i] for i in at)
        # Words may add up by chance; no country has fewer digits.
        if len(at) == length and sum(map(str.isdigit, plain)) > 7 and is_iban(plain):
            found = match.start() + at[-1] + 1
            yield match.start(), found, "iban"


def is_iban(plain: str) -> bool:
    """Whether the checksum of letters and digits adds up."""
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1
