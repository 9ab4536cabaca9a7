"""Names in a summary, by their capitals."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import regex

from stages.common.words import WORD

COMPOUND = regex.compile(rf"{WORD.pattern}(?:[-‐‑]{WORD.pattern})*")  # Wi-Fi
DIGIT = regex.compile(r"\p{N}")
CAPITAL = regex.compile(r"[\p{Lu}\p{Lt}]")
SMALL = regex.compile(r"\p{Ll}")
# Between two words, what may be the end of a sentence, of a title or of a label.
STOP = regex.compile(r"""[\p{Sentence_Terminal}:;…\n•"“”„«»()\[\]–—]""")
PLACEHOLDER = regex.compile(r"\(\p{Ll}+\)")  # what redaction leaves: (phone)
MOST_CAPITALS = 0.2  # of the words inside sentences; German has 0.3, English below 0.1
LONGEST_RUN = 4  # words that may be written as one
SHORTEST = 4  # letters of a word without a capital that may be the first or last of them


@dataclass(frozen=True)
class Name:
    """`runs`: what its neighbours and it make as one word, in lower case, as a handle may have it."""

    start: int
    end: int
    text: str
    runs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Capitals:
    """What capitals mean in a language, as its references use them.

    `mark_names`: False for German, which gives every noun a capital, and for scripts without any.
    `names`: words, in lower case, to which references give one inside sentences more often than not.
    """

    mark_names: bool
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, references: Iterable[str]) -> "Capitals":
        large, small = Counter(), Counter()
        for text in references:
            for match, first in words_of(text):
                if SMALL.match(match[0]):
                    small[match[0]] += 1
                elif CAPITAL.match(match[0]) and not first:
                    large[match[0].casefold()] += 1
        all_large, all_small = sum(large.values()), sum(small.values())
        usual = frozenset(word for word in large if large[word] > small[word])
        return cls(0 < all_large <= MOST_CAPITALS * (all_large + all_small), usual)


def words_of(text: str) -> Iterator[tuple[regex.Match, bool]]:
    """Each word of two letters and more, and whether it may be the first of a sentence."""
    before = None
    for match in COMPOUND.finditer(text):
        if len(match[0]) > 1 and not DIGIT.search(match[0]):
            yield match, before is None or bool(STOP.search(text, before, match.start()))
        before = match.end()


def names(text: str, capitals: Capitals) -> list[Name]:
    """Words with a capital inside a sentence, and words to which references mostly give one.

    A placeholder of redaction is a name, too. In a text without small letters, capitals say nothing.
    """
    found = [Name(*match.span(), match[0]) for match in PLACEHOLDER.finditer(text)]
    if capitals.mark_names:
        marks, words = bool(SMALL.search(text)), list(WORD.finditer(text))
        for match, first in words_of(text):
            inside = marks and not first and CAPITAL.match(match[0])
            if inside or match[0].casefold() in capitals.names:
                found.append(Name(*match.span(), match[0], runs(words, *match.span())))
    return sorted(found, key=lambda name: name.start)


def runs(words: list[regex.Match], start: int, end: int) -> frozenset[str]:
    """Neighbouring words as one, of which text[start:end] is a part: Marks and Spencer.

    A short word is their first or last only with a capital: "for Ward" is no "forward".
    """
    first = bisect_left(words, start, key=lambda match: match.start())
    last = bisect_left(words, end, key=lambda match: match.start())
    return frozenset(
        "".join(match[0] for match in words[i:j]).casefold()
        for i in range(max(0, last - LONGEST_RUN), first + 1)
        for j in range(last, min(len(words), i + LONGEST_RUN) + 1)
        if (i, j) != (first, last)
        and all(
            len(end[0]) >= SHORTEST or CAPITAL.match(end[0]) for end in (words[i], words[j - 1])
        )
    )
