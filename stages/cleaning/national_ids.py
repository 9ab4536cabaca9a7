"""Numbers of identity cards, of taxes and of insurances that have letters, after the words for them.

Those of digits alone, such as a CPF or a PESEL, are long enough for `digit_runs`.
"""

import re
from collections.abc import Iterator

WORDS = {
    "es": "dni|nif|nie",
    "gb": "nino|national insurance|ni n(?:umber|o)",
    "in": "pan",
    "it": "codice fiscale|cod[.] ?fisc|c[.]?f[.]?|fiscal code",
    "ie-sg": "ppsn?|nric",
}
SHAPES = (
    r"(?:[A-Z][ -]?)?\d\d?[.]?\d{3}[.]?\d{3}(?:-?[A-Z]{1,2}|(?-i: [A-Z]))",  # 12345678-Z, X1234567L
    r"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]",  # QQ 12 34 56 C
    r"[A-Z]{5} ?\d{4} ?[A-Z]",  # ABCDE1234F
    r"[A-Z]{3} ?[A-Z]{3} ?\d\d[A-Z]\d\d ?[A-Z]\d{3}[A-Z]",  # RSSMRA85T10A562S
)
NAMES = "|".join(WORDS.values())
SIEVE = rf"(?i)(?:^|[^a-z])(?:{NAMES})(?:[^a-z][^0-9\n]{{0,30}})?[0-9]"
NAMED = re.compile(
    rf"(?<![a-z])(?:{NAMES})(?![a-z])(?:[^\d\n]{{0,20}}?(?<![a-z\d]))?"
    rf"(?P<id>{'|'.join(SHAPES)})(?![a-zà-ɏ\d])"
    r"|(?<![a-z])(?:dni|nif)(?![a-z])[^\d\n]{0,20}?(?P<digits>(?:[A-Z]-?)?(?<!\d)\d\d[.]?\d{3}[.]?\d{3})(?!\d)",
    re.IGNORECASE | re.ASCII,
)


def find_ids(text: str) -> Iterator[tuple[int, int, str]]:
    for match in NAMED.finditer(text):
        yield *match.span("id" if match["id"] else "digits"), "number"
