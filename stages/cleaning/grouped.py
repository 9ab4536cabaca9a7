"""Cards and phones whose groups have commas, bars, tildes or stars between them: 07700,900123.

Lists of prices, years and scores are written so, too. A card is told by its check digit, a phone by
the 0 or + that it begins with; with spaces, or without these, a word such as *number* has to say so.
"""

import re
from collections.abc import Iterator

from stages.cleaning.digit_runs import COUNTS, NUMBER
from stages.cleaning.identifiers import are_round, kind_of

MARK = r" ?(?:[,;|~*\u2026]|\.{3}) ?"
SIEVE = r"[0-9]{2}" + MARK + r"[0-9]{2}"
GROUPED = re.compile(
    rf"(?<!\d)(?<!\d[ ().,/|~*;\u2026-])(?P<plus>\+?)\d{{1,6}}(?P<mark>{MARK})\d{{2,7}}(?:(?P=mark)\d{{2,7}}){{0,4}}"
    rf"(?![ ()./-]{{0,2}}\d|{MARK}\d)",
    re.ASCII,
)
CARD = ([4, 4, 4, 4], [4, 6, 5])


def find_grouped(text: str, regions: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    for match in GROUPED.finditer(text):
        groups = re.findall(r"\d+", match[0])
        if are_round(groups) or kind_of("-".join(groups), False, regions) is None:
            continue
        before = text[max(0, match.start() - 40) : match.start()]
        named = bool(NUMBER.search(before)) and not COUNTS.search(before)
        kind = kind_of(match["plus"] + "-".join(groups), False, regions)
        if kind == "card":
            fits = list(map(len, groups)) in CARD
        else:
            fits = kind == "phone" and (named or is_clear(match, groups))
            fits = fits and not (is_amount(groups) and not match["plus"])
        if fits:
            yield *match.span(), kind


def is_clear(match: re.Match, groups: list[str]) -> bool:
    """Whether digits can hardly be a list: of times, of postcodes, whose parts are equally long."""
    first, *others = map(len, groups)
    begins = match["plus"] or re.match(r"0[1-9]\d", groups[0])
    long = first + sum(others) > 9 and min(others) > 2
    even = not match["plus"] and set(others) == {first}
    return bool(begins) and long and not even and " " not in match["mark"]


def is_amount(groups: list[str]) -> bool:
    """Grouped by thousands."""
    return len(groups[0]) < 4 and all(len(group) == 3 for group in groups[1:])
