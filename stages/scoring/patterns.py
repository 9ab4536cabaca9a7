"""How numbers, amounts, times and dates are written, each with the reader of what it means."""

from collections.abc import Callable

import regex

from stages.scoring import readings
from stages.scoring.number_words import (
    CHINESE,
    CHINESE_TIMES,
    CURRENCIES,
    ENGLISH,
    MONTHS,
    ORDINALS,
    OTHERS,
    SCALES,
    SMALL,
    TENS,
    TIMES,
    one_of,
)

YEAR = r"(?P<year>\d{4})"
MONTH = rf"(?P<month>{one_of(MONTHS)})\.?"
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|\.)?"
HOUR, MINUTE = r"(?P<hour>\d{1,2})", r"(?P<minute>\d\d)"
START, END = r"(?<![\d\p{L}]|\d[.,:/])", r"(?![\d\p{L}])"
MONEY, ENGLISH_WORD = one_of(CURRENCIES), rf"(?:{one_of([*ENGLISH, *TIMES])})"
CHINESE_TIME = "".join(CHINESE_TIMES)
# Numbers below a hundred, as words: the and of "one hundred and twenty", but not of "two and three".
FROM_20 = rf"(?:{one_of(TENS.split()[1:])})"
SMALL_WORD = (
    rf"(?>(?:{FROM_20}(?:[ -](?:{one_of(SMALL.split()[1:10])})(?!\p{{L}}))?|{one_of(SMALL.split())})"
    r"(?!\p{L}))"
)
BIG = one_of(word for word in TIMES if word != "hundred")
AND = (
    r"(?<!between [\p{L} -]{1,60})"
    rf"(?:(?<=hundred)[ -]and(?=[ -]{SMALL_WORD}(?![ -]hundred))"
    rf"|(?<={BIG})[ -]and(?=[ -]{SMALL_WORD}(?![ -](?:hundred|{BIG}))))"
)
ORDINAL = rf"(?:{FROM_20}[ -](?:{one_of(list(ORDINALS)[:9])})|{one_of(ORDINALS)})(?!\p{{L}})"
NO_MODAL = "(?!may (?:first|second|third))"  # they may first call
ENGLISH_RUN = rf"(?:{ENGLISH_WORD}(?:{AND})?[ -])*(?:(?<={FROM_20}[ -]){ORDINAL}|{ENGLISH_WORD})"
# 1,234.50 and, where the groups have three digits, 1 234.
DIGITS = (
    r"(?P<digits>\d+(?:[.,'’٫٬\u00a0\u202f]\d+"
    r"| (?=\d{3}(?!\d))(?<=(?<!\d)\d{1,3} | \d{3} )\d{3})*)"
)
# 0800 123 456, 06 12 34 56 78, (555) 010-1234, 113-1234567-1234567.
PARTS = (
    r"(?:\+\d{1,5}|\+?\(?0\d{0,4}\)?)(?:[ /-]+(?:\(0\)|\()?\d{2,12}\)?){1,6}"
    r"|0\d(?:\.\d\d){4}|(?:1[ -])?\(?\d{3}\)?[ -]\d{3}[ -]\d{4}|\d{4}(?:[ -]\d{4}){2,4}|\d{3,}-\d{3,}(?:-\d{3,})+"
)
# 15 Uhr 30, 3点30分; 15h30, 15 h, 15 heures 30, which may last so long.
WORDED_TIME = rf"(?<!\d){HOUR}(?:\s?uhr\b|\s?[時时点點시](?!间|間))"
WORDED_MINUTE = r"(?:\s?(?P<minute>\d{1,2})(?!\d)\s?[分분]?)?"
HOURS = rf"{START}{HOUR}(?:h{MINUTE}?(?:\s?min)?|\sh(?:\s{MINUTE})?|\s(?:heures?|horas?)(?:\s{MINUTE}(?!\s\p{{L}}{{4}}))?){END}"
BEFORE = rf"(?:(?<!\p{{L}})(?P<before>{MONEY})\s?)?"
AFTER = rf"(?:\s?(?P<after>{MONEY})(?!\p{{Latin}}))?"
UNIT = rf"(?P<unit>\s?(?:{one_of(SCALES)})(?![\p{{L}}\p{{M}}])|[{CHINESE_TIME}])"

# In this order: what a pattern has found is hidden from the next ones. A group that a reader asks
# for and a pattern lacks is None.
PATTERNS: list[tuple[regex.Pattern, Callable]] = [
    (regex.compile(pattern), read)
    for pattern, read in [
        (
            rf"{START}{YEAR}([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}})(?!\d)",
            readings.of_date,
        ),
        (
            rf"{START}(?P<one>\d{{1,2}})([-/]|\.\s?)(?P<other>\d{{1,2}})\2(?P<year>\d{{4}}|\d\d)(?!\d|\.\d|\2\d)",
            readings.of_numeric_date,
        ),
        (
            rf"{START}(?P<one>\d{{1,2}})\. (?P<other>\d{{1,2}})\.(?!\s?\d)",
            readings.of_dotted_date,
        ),
        (
            rf"{START}(?P<one>\d{{1,2}})/(?P<other>\d{{1,2}})(?!\d|[/.]\d)",
            readings.of_numeric_date,
        ),
        (
            rf"(?:{YEAR}\s?[年년]\s?)?(?P<month>\d{{1,2}})\s?[月월]\s?(?P<day>\d{{1,2}})(?:\s?[日号號일])?",
            readings.of_date,
        ),
        (
            rf"{START}{DAY}\s?(?:of |de )?{MONTH}{END}(?:,? (?:de )?{YEAR}(?!\d))?",
            readings.of_named_date,
        ),
        (
            rf"(?<!\p{{L}}){MONTH}\s?(?:the )?{DAY}{END}(?:,? {YEAR}(?!\d))?",
            readings.of_named_date,
        ),
        (
            rf"(?<!\p{{L}})(?P<day>{ORDINAL}) (?:of {MONTH}|(?!may){MONTH}){END}(?:,? {YEAR}(?!\d))?",
            readings.of_named_date,
        ),
        (
            rf"(?<!\p{{L}})(?:{MONTH} the|{NO_MODAL}{MONTH}) (?P<day>{ORDINAL})(?:,? {YEAR}(?!\d))?",
            readings.of_named_date,
        ),
        (rf"{START}{HOUR}(?:[:.]{MINUTE})?\s?(?P<half>[ap]\.?m\b\.?)", readings.of_time),
        (
            rf"(?<!\p{{L}})(?P<time>{SMALL_WORD}(?:[ -]{SMALL_WORD})?)\s?(?P<half>[ap]\.?m\b\.?)",
            readings.of_worded_time,
        ),
        (rf"{START}{HOUR}:{MINUTE}(?:\s?uhr\b)?(?![\d:])", readings.of_time),
        (WORDED_TIME + WORDED_MINUTE, readings.of_time),
        (HOURS, readings.of_time),
        (rf"(?<![\d\p{{L}}+]|\d[.,:/-])(?:{PARTS})(?![\d\p{{L}}]|[.,:/-]\d)", readings.of_parts),
        (rf"{BEFORE}{DIGITS}{UNIT}?{AFTER}", readings.of_number),
        (
            rf"(?<!\p{{L}})(?P<words>{ENGLISH_RUN})(?!\p{{L}}){AFTER}",
            readings.of_english,
        ),
        (rf"(?<!\p{{L}})(?:{one_of(OTHERS)})(?!\p{{L}})", readings.of_other),
        (rf"[{''.join(CHINESE)}{CHINESE_TIME}]+", readings.of_chinese),
    ]
]
