"""Cards, phones and long numbers in a text: where runs of digits are, and what is no part of one."""

import re
from collections.abc import Iterator

from stages.cleaning.addresses import follows_version
from stages.cleaning.identifiers import kind_of
from stages.cleaning.labels import is_labelled

SIEVE = r"[0-9](?:[ ()./-]{0,4}[0-9]){6}"
# A +, a bracket, digits. It opens with a set of characters, which `re` finds quickly.
RUN = re.compile(r"[+(\d](?:(?<=\d)|(?<=\()\d|(?<=\+) ?\(?\d)(?:[ ()./-]{0,4}\d)*", re.ASCII)
# Digits up to a space or a slash. Nine in a row are a word of their own, but in a fraction; five and
# five with a dot between them are two words.
WORD = re.compile(
    r"(?<!\d)(?<!\d\.)\d{1,3}\.\d{9,}|\d{9,}"
    r"|\d{1,8}(?:(?:(?<!\d{5})[-.()]\d{1,8}|[-.()]\d{1,4})(?!\d))*",
    re.ASCII,
)
LONGEST = 8  # words that one number may have
DAY, MONTH = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])"
# A day, a month and a year in any order, with separators or without; a year of two digits with them.
DATE = re.compile(
    rf"(?<!\d)(?:(?:19|20)\d\d(?:[./-]{MONTH}[./-]|(?:0[1-9]|1[0-2])){DAY}"
    rf"|{DAY}[./-]?{DAY}[./-]?(?:19|20)\d\d|{DAY} {MONTH} (?:19|20)\d\d"
    rf"|(?<!\d[./-]){DAY}([./-]){DAY}\1\d\d(?![./-]\d))(?!\d)",
    re.ASCII,
)
SECONDS = re.compile(r"[0-5]\d\.\d+", re.ASCII)
# Of times or of prices; 0900 - 1730 is one, too.
RANGE = re.compile(r"\d\d?[.]\d\d-\d\d?[.]\d\d|[012]\d[0-5][05] ?- ?[012]\d[0-5][05]", re.ASCII)


# What comes before a list of digits says whether they are one number or many.
COUNTS = re.compile(
    r"(?:scor|result|rating|goal|point|vote|answer|lott|count)\w*\W{0,3}[^\d\n]{0,20}\Z",
    re.IGNORECASE,
)
NUMBER = re.compile(
    r"(?:number|phone|tel|mobile|cell|call|text|reach|contact|whatsapp|fax|card|nummer|numéro|número"
    r"|numero|номер|телефон|电话|号码|電話|番号|번호)\w*\W{0,3}[^\d\n]{0,20}\Z",
    re.IGNORECASE,
)
POSTCODE = ("〒", "〒 ")  # Japan's look like telephone numbers
APART = re.compile(rf"{DATE.pattern}|[/)] ?(?=\()", re.ASCII)  # a bracket opens another number


def find_numbers(text: str, regions: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    for run in RUN.finditer(text):
        # A date has seven characters and more, and so has any number that is looked for.
        if run.end() - run.start() < 7 or ("." in run[0] and follows_version(text, run.start())):
            continue
        if text[: run.start()].endswith(POSTCODE) and len(run[0]) == 8:
            continue
        if is_labelled(text, run.start(), run.end()):
            continue
        start = run.start()
        for date in APART.finditer(text, run.start(), run.end()):
            yield from split_run(text, start, date.start(), regions)
            start = date.end()
        yield from split_run(text, start, run.end(), regions)


def split_run(text: str, start: int, end: int, regions: tuple) -> Iterator[tuple[int, int, str]]:
    """Numbers between two places of a text, each of one word or of several, the longest first."""
    words = [match.span() for match in WORD.finditer(text, start, end)]
    counts = [sum(map(str.isdigit, text[a:b])) for a, b in words]
    i = 0
    while i < len(words):
        if is_minute(text, words[i][0]):
            ends = () if SECONDS.fullmatch(text, *words[i]) else (i + 1,)
        else:
            ends = range(min(len(words), i + LONGEST), i, -1)
            if text[slice(*words[i])].isdigit() and counts[i] >= 9:
                ends = (i + 1, *ends)
        for j in ends:
            if not 7 <= sum(counts[i:j]) <= 34 or (j > i + 1 and is_hour(text, *words[j - 1])):
                continue
            a, b = opened(text, words[i][0], words[j - 1][1]), words[j - 1][1]
            if RANGE.fullmatch(text, a, b):
                continue
            kind = kind_of(text[a:b], is_glued(text, a, b), regions)
            if (
                kind
                and j > i + 1
                and (
                    two_numbers(text, a, b, kind, regions)
                    or (kind == "phone" and is_handle(text, *words[i]))
                    or (kind == "phone" and is_counted(text, a, b))
                )
            ):
                continue
            if kind:
                yield a, b, kind
                i = j
                break
        else:
            i += 1


def two_numbers(text: str, start: int, end: int, kind: str, regions: tuple) -> bool:
    """Whether what stands before a slash is a number of its own."""
    slash = text.rfind("/", start, end)
    before = text[start : max(start, slash)].rstrip()
    if sum(map(str.isdigit, before)) < 9:
        return False
    found = kind_of(before, False, regions)
    return found == "card" or (found is not None and kind != "card")


def opened(text: str, start: int, end: int) -> int:
    """Where a number begins whose first digit is at `start`: at its + or its bracket."""
    if text[max(0, start - 1) : start] == "(" and text.find(")", start, end) > 0:
        start -= 1
    before = text[max(0, start - 2) : start]
    return start - (2 if before == "+ " else before.endswith("+"))


def is_glued(text: str, start: int, end: int) -> bool:
    """Whether a Latin letter stands right beside the number."""
    beside = text[max(0, start - 1) : start] + text[end : end + 1]
    return any(char.isascii() and char.isalpha() for char in beside)


def is_minute(text: str, start: int) -> bool:
    """Minutes after an hour are no part of what follows them."""
    return text[max(0, start - 1) : start] == ":" and text[max(0, start - 2) : start - 1].isdigit()


def is_handle(text: str, start: int, end: int) -> bool:
    """Somebody's numeric handle, @115858, opens no phone number."""
    return text[max(0, start - 1) : start] == "@" and 6 <= end - start <= 7


def is_counted(text: str, start: int, end: int) -> bool:
    """Whether these are many numbers of one digit, by the word before them."""
    before = text[max(0, start - 40) : start]
    short = not re.search(r"\d\d", text[start:end])
    return bool(short and COUNTS.search(before) and not NUMBER.search(before))


def is_hour(text: str, start: int, end: int) -> bool:
    return end - start < 3 and text[end : end + 1] == ":" and text[end + 1 : end + 2].isdigit()
