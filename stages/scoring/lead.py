"""Lead-2: what a dialogue or an article opens with, the summary that costs nothing.

Sentences end by a simplified form of Unicode's rules (https://unicode.org/reports/tr29/).
"""

import regex

# No sentence ends at the full stop after a single letter, a title, or one of these before a number.
TITLES = "mr mrs ms dr prof st gen sen gov rep lt col sgt capt rev hon sr sra dra mme mlle hr fr"
OTHERS = "vs cf approx bzw ggf inkl"
BEFORE_NUMBERS = "no nos nr fig figs eq eqs sec art vol pp ca"
CLOSING = r"""[\p{Pe}\p{Pf}"']*"""
BEGIN = r"(?<![\p{L}\p{M}])"  # of a word


def either(*words: str) -> str:
    return "|".join(" ".join(words).split())


END = regex.compile(
    rf"""
      [\p{{Sentence_Terminal}}．&&[^\x00-\x7F]]+{CLOSING}  # of scripts that may go on without a space
    | [!?]+[.!?]*{CLOSING}(?=\s)
    | (?<!{BEGIN}(?:\p{{L}}|{either(TITLES, OTHERS)}))
      (?!(?<={BEGIN}(?:{either(BEFORE_NUMBERS)}))\.\s+\p{{Nd}})
      \.+{CLOSING}(?=\s)
    """,
    regex.VERBOSE | regex.VERSION1 | regex.IGNORECASE,
)
SMALL = regex.compile(r"\s+\p{Ll}")


def lead_2(turns: list[dict]) -> str:
    """The first two turns; of a text without turns, the first two sentences."""
    if len(turns) == 1 and turns[0]["speaker"] is None:
        return first_sentences(turns[0]["text"], 2)
    return " ".join(turn["text"] for turn in turns[:2])


def first_sentences(text: str, count: int) -> str:
    """The text up to the end of its sentence number `count`; all of it where there are fewer."""
    lower_case = text == text.lower()
    for end in END.finditer(text):
        # Within a sentence, such as after "approx." or "No!", small letters follow.
        if end.group()[0].isascii() and not lower_case and SMALL.match(text, end.end()):
            continue
        count -= 1
        if not count:
            return text[: end.end()]
    return text
