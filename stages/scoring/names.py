"""Names in a summary, by their capitals, and whether the conversation holds them.

Conversations may be in lower case, so a name is looked for there without regard to case.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import regex

from stages.common.words import WORD

COMPOUND = regex.compile(rf"{WORD.pattern}(?:[-‐‑]{WORD.pattern})*")  # Wi-Fi
DIGIT = regex.compile(r"\p{N}")
CAPITAL = regex.compile(r"[\p{Lu}\p{Lt}]")
SMALL = regex.compile(r"\p{Ll}")
# Between two words, what may be the end of a sentence, of a title or of a label.
STOP = regex.compile(r"""[\p{Sentence_Terminal}:;…\n•"“”„«»()\[\]–—]""")
PLACEHOLDER = regex.compile(r"\(\p{Ll}+\)")  # what redaction leaves: (phone)
DAYS = "monday tuesday wednesday thursday friday saturday sunday"
MONTHS = "january february april june july august september october november december"
MOST_CAPITALS = 0.2  # of the words inside sentences; German has 0.3, English below 0.1
SHORTEST = 4  # letters of a name that may be a part of a longer word


@dataclass(frozen=True)
class Name:
    start: int
    end: int
    text: str


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
        marks = bool(SMALL.search(text))
        for match, first in words_of(text):
            inside = marks and not first and CAPITAL.match(match[0])
            if inside or match[0].casefold() in capitals.names:
                found.append(Name(*match.span(), match[0]))
    return sorted(found, key=lambda name: name.start)


@dataclass
class NamesHeld:
    """The words of a conversation, in which names are looked for."""

    text: str
    words: list[str] = field(init=False)
    known: set[str] = field(init=False)

    def __post_init__(self):
        folded = self.text.casefold()
        self.words = WORD.findall(folded)
        self.known = set(self.words) | set(PLACEHOLDER.findall(folded))
        self.initials = "".join(word[0] for word in self.words)
        # Short for, and part of: mon for Monday, amazonhelp for Amazon.
        for full in [*DAYS.split(), *MONTHS.split()]:
            if {full[:3], full[:4], full[:5]} & self.known:
                self.known.add(full)

    def __contains__(self, name: Name) -> bool:
        word = name.text.casefold()
        parts = WORD.findall(word)
        if len(parts) > 1:
            known = {*parts, "".join(parts)} & self.known
            return "".join(parts) in known or known >= set(parts)
        if word in self.known or word.removesuffix("s") in self.known:
            return True
        if name.text.isupper() and len(word) > 2 and word in self.initials:  # estimated time …
            return True
        if len(word) < SHORTEST:
            return False
        return any(
            word in other or (word.startswith(other) and len(word) <= len(other) + 2)
            for other in self.known
            if len(other) >= SHORTEST
        )
