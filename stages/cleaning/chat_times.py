"""How phones and chat programs of the world write the time of a message (RE2 syntax)."""

HALF = r"(?:[ap]\.?[\s\x{202f}]?m\b\.?|上午|下午|午前|午後|오전|오후|ص|م)"
CLOCK = (
    rf"(?:{HALF}\s?)?\d{{1,2}}[:h]\d{{2}}(?::\d{{2}})?(?:[.,]\d{{1,6}})?"
    rf"(?:[\s\x{{202f}}]?{HALF})?(?:\s?(?:Z|UTC|GMT)|\s?[+-]\d{{2}}:?\d{{2}})?"
)
DATE = (
    r"(?:\d{1,4}[\s\x{200f}]?[./-]\s?\d{1,2}[\s\x{200f}]?[./-]\s?\d{1,4}\.?|\d{1,2}-\p{L}{3,9}-\d{2,4}"
    r"|\d{4}\s?[年년]\s?\d{1,2}\s?[月월]\s?\d{1,2}\s?[日일]"
    r"|\d{1,2}\.?\s(?:de\s)?\p{L}{3,12}\.?(?:\sde)?,?\s\d{2,4}|\p{L}{3,12}\.?\s\d{1,2},?\s\d{4})"
)
SINCE = r"(?:\d{1,3}h\s?)?(?:\d{1,3}m\s?)?\d{1,5}(?:\.\d{1,3})?s"  # 1m 30s, since the chat began
SPAN = r"\d{1,5}\.\d{1,3}s?\s*(?:-{1,2}>?|[–—])\s*\d{1,5}\.\d{1,3}s?"  # 0.00 - 2.50, in seconds
WEEKDAY = r"(?:\p{L}{2,12}\.?,?\s)?"
# Before a date that a name may stand before, only words that are surely none.
SURE_WEEKDAY = (
    r"(?:(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?|(?:mon|diens|donners|frei|sams"
    r"|sonn)tag|mittwoch|(?:lun|mar|mercre|jeu|vendre|same)di|dimanche|lunes|martes|miércoles|jueves"
    r"|viernes|sábado|domingo)\.?,?\s)?"
)
# A date allows for a time with a point, "1.2.2024 klo 10.00", and for none.
WHEN = (
    rf"(?i:{WEEKDAY}{DATE}(?:[,،T]?\s{{0,2}}(?:\p{{L}}{{1,4}}\.?\s)?(?:{CLOCK}|\d{{1,2}}\.\d{{2}}(?:\.\d{{2}})?))?"
    rf"|(?:(?:today|yesterday)(?:\s+at)?\s)?{CLOCK}(?:,?\s{DATE})?|1\d{{9}}(?:\d{{3}}|\.\d{{1,6}})?)"
)
WHEN_AFTER_NAME = WHEN.replace(WEEKDAY, SURE_WEEKDAY)
