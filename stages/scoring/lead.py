"""Lead-2: the first two turns of a dialogue or sentences of a text, a baseline without a model.

The ends of sentences follow a simplified form of Unicode's rules (https://unicode.org/reports/tr29/).
"""

from collections.abc import Iterator
from itertools import islice

import regex

# A full stop does not end a sentence after a single letter, a title or an abbreviation, or if it is
# between a word of the last list and a number.
TITLES = "mr mrs ms dr prof st gen sen gov rep lt col sgt capt rev hon sr sra dra mme mlle hr fr"
ABBREVIATIONS = "vs cf approx bzw ggf inkl"
BEFORE_NUMBERS = "no nos nr fig figs eq eqs sec art vol pp ca"
CLOSING = r"""[\p{Pe}\p{Pf}"']*"""
WORD_START = r"(?<![\p{L}\p{M}])"


def either(*words: str) -> str:
    return "|".join(" ".join(words).split())


END = regex.compile(
    rf"""
      [\p{{Sentence_Terminal}}．&&[^\x00-\x7F]]+{CLOSING}  # scripts that need no space after a sentence
    | [!?]+[.!?]*{CLOSING}(?=\s)
    | (?<!{WORD_START}(?:\p{{L}}|{either(TITLES, ABBREVIATIONS)}))
      (?!(?<={WORD_START}(?:{either(BEFORE_NUMBERS)}))\.\s+\p{{Nd}})
      \.+{CLOSING}(?=\s)
    """,
    regex.VERBOSE | regex.VERSION1 | regex.IGNORECASE,
)
LOWER_CASE = regex.compile(r"\s+\p{Ll}")


def lead_2(turns: list[dict]) -> str:
    """The first two turns, or the first two sentences of a text without turns."""
    if len(turns) == 1 and turns[0]["speaker"] is None:
        return first_sentences(turns[0]["text"], 2)
    return " ".join(turn["text"] for turn in turns[:2])


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence of the text."""
    lower_case, start = text == text.lower(), 0
    for end in END.finditer(text):
        # If a lower-case letter follows, as after "approx." or "No!", the sentence continues.
        if end.group()[0].isascii() and not lower_case and LOWER_CASE.match(text, end.end()):
            continue
        yield start, end.end()
        start = end.end()
    if start < len(text):
        yield start, len(text)


def first_sentences(text: str, count: int) -> str:
    """The first `count` sentences of the text, or all of it if it has fewer."""
    ends = [end for _, end in islice(sentences(text), count)]
    return text[: ends[-1]] if len(ends) == count else text
