"""E-mail and IP addresses in a text, whatever stands beside them.

Each pattern is bounded or starts where a word does, so that a text of any length takes linear time.
"""

import ipaddress
import re
from collections.abc import Iterator

from stages.cleaning.ascii_view import hide

# Latin letters alone, so that Chinese or Thai beside an address stays; then those of any script.
LATIN = r"A-Za-z0-9_\u00c0-\u024f\u1e00-\u1eff"
EMAILS = (
    # A name in quotes may have anything in it.
    re.compile(rf'"[^"\n@]{{1,64}}"@[{LATIN}][{LATIN}-]*(?:\.[{LATIN}][{LATIN}-]*)+'),
    re.compile(
        rf"(?<![{LATIN}.%+'-])[{LATIN}.%+'-]{{0,63}}[{LATIN}](?:@|%40)"
        rf"[{LATIN}][{LATIN}-]*(?:\.[{LATIN}][{LATIN}-]*)+"
    ),
    re.compile(r"(?<![\w.%+'-])[\w.%+'-]{0,63}\w(?:@|%40)\w[\w-]*(?:\.\w[\w-]*)+"),
)
EMAIL_SIEVE = r"\S(?:@|%40)\S+\.\S"  # Python's \w has more than that of polars
IP_SIEVE = r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|:[0-9A-Fa-f]{0,4}:"
V4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
GROUP = "[0-9A-Fa-f]{1,4}"
V6 = re.compile(
    rf"(?:{GROUP}:){{7}}{GROUP}"
    rf"|(?:{GROUP}:){{1,7}}(?::{GROUP}){{1,6}}(?:(?:\.\d{{1,3}}){{3}})?|(?:{GROUP}:){{2,7}}:"
    rf"|(?<![\w:])::(?:{GROUP}:){{0,6}}{GROUP}(?:(?:\.\d{{1,3}}){{3}})?",
    re.ASCII,
)
# A phone number right behind colons: its first digits are no group of an address.
PHONE_AFTER = re.compile(r"[0-9]{2,4}(?:[().-]{1,2}[0-9]+| (?!(?:19|20)[0-9]{2}[./-])[0-9]+)+")
ZONE = re.compile(r"%\w{1,20}", re.ASCII)
# Four parts are also what versions have.
VERSION = re.compile(
    r"(?:(?<![a-z])(?:v|ver|build|firmware|fw|release|update|ios|android|chrome|firefox|edge|safari|windows"
    r"|macos|driver|section|chapter|clause|article|paragraph|version\w{0,3}|versi[oó]n|versione|vers[aã]o|wersja|sürüm)|верси\w{1,2}|版本|バージョン"
    r"|버전|إصدار|संस्करण)\W{0,3}\Z",
    re.IGNORECASE,
)


def find_emails(text: str) -> Iterator[tuple[int, int, str]]:
    for pattern in EMAILS if "@" in text or "%40" in text else ():
        spans = [match.span() for match in pattern.finditer(text)]
        yield from ((start, end, "email") for start, end in spans)
        text = hide(text, spans)


def find_ips(text: str) -> Iterator[tuple[int, int, str]]:
    spans = []
    for match in V6.finditer(text) if "::" in text or text.count(":") > 6 else ():
        if is_v6(match):
            zone = ZONE.match(text, match.end())
            end = zone.end() if zone else without_phone(text, match)
            if end > match.start() + len("::"):
                spans.append((match.start(), end))
    yield from ((start, end, "ip") for start, end in spans)
    text = hide(text, spans)
    for match in V4.finditer(text):
        start, parts = match.start(), match[0].split(".")
        longer = re.search(r"[0-9]\.?\Z", text[max(0, start - 2) : start])
        if longer or parts.count("000") > 1 or any(int(part) > 255 for part in parts):
            continue
        if not is_version(text, start, parts):
            yield *match.span(), "ip"


def without_phone(text: str, match: re.Match) -> int:
    """Where an address ends, or before its last group where a longer number begins with that."""
    last = match.start() + match[0].rindex(":") + 1
    number = None if "." in match[0] else PHONE_AFTER.match(text, last)
    return last if number and sum(map(str.isdigit, number[0])) >= 9 else match.end()


def is_version(text: str, start: int, parts: list[str]) -> bool:
    """Whether a word before it says so; no version has two parts of three digits below 256."""
    few = sum(len(part) == 3 for part in parts) < 2
    return few and follows_version(text, start)


def follows_version(text: str, start: int) -> bool:
    return bool(VERSION.search(text, max(0, start - 20), start))


def is_v6(match: re.Match) -> bool:
    try:
        ipaddress.IPv6Address(match[0])
    except ValueError:
        return False
    groups = [group for group in match[0].split(":") if group]
    if match[0].startswith("::") or len(groups) > 2:
        return any(char.isdigit() for char in match[0])
    # `16::9` or `std::a1` are no addresses: the first of two groups has a letter and a digit.
    return len(groups[0]) > 2 and any(map(str.isdigit, groups[0]))
