"""Who did what: does a summary say of a speaker what this speaker said?

A word that one speaker alone uses is evidence of who a sentence of the summary is about. Words that
are in many conversations are weak evidence.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import regex

from stages.common.languages import UNSPACED
from stages.scoring.lead import sentences

Split = Callable[[str], list[str]]  # a text into words
# When a mention is listed as unsupported: the evidence for another speaker, at least.
FEWEST_WORDS = 2
MUCH_MORE = 3
SPACELESS = regex.compile(f"[{UNSPACED}]", regex.VERSION1)


@dataclass(frozen=True)
class Mention:
    """Where a sentence of the summary names the speaker it is about, and the evidence for it.

    `own`: weight of the sentence's words that only this speaker says; `other`: of the `others`
    words that only another one says.
    """

    start: int
    end: int
    own: float
    other: float
    others: int

    @property
    def doubtful(self) -> bool:
        return self.others >= FEWEST_WORDS and self.other > MUCH_MORE * self.own


class Weights:
    """Weight of a word by the share of conversations that have it: inverse document frequency."""

    def __init__(self, conversations: Iterable[list[str]]):
        self.frequency: Counter = Counter()
        self.size = 0
        for words in conversations:
            self.frequency.update(set(words))
            self.size += 1

    def __getitem__(self, word: str) -> float:
        return math.log((self.size + 1) / (self.frequency[word] + 0.5))


def mention_of(label: str) -> str:
    """A pattern for a speaker's name, also with an ending of one or two letters, as a plural has."""
    if SPACELESS.search(label):
        return regex.escape(label)
    return rf"(?<![\p{{L}}\p{{N}}]){regex.escape(label)}\p{{L}}{{0,2}}(?![\p{{L}}\p{{N}}])"


class Speakers:
    """What each speaker of a conversation says, and where a summary names them."""

    def __init__(self, turns: list[dict], split: Split):
        self.said: dict[str, set[str]] = {}
        for turn in turns:
            if turn["speaker"]:
                words = self.said.setdefault(turn["speaker"].casefold(), set())
                words.update(split(turn["text"]))
        self.uses = Counter(word for words in self.said.values() for word in words)
        labels = sorted(self.said, key=len, reverse=True)
        # Without labels it finds nothing.
        pattern = "|".join(map(mention_of, labels)) or "(?!)"
        self.pattern = regex.compile(pattern, regex.IGNORECASE)
        self.split = split

    def hide(self, summary: str, filler: str = "\ufffc") -> str:
        """The summary without the speakers' names, each character else where it was."""
        return self.pattern.sub(lambda match: filler * len(match[0]), summary)

    def mentions(self, summary: str, weights: Weights) -> list[Mention]:
        """A mention for each sentence that names a speaker: of the first that it names.

        Empty where there is one speaker, or none is named: nothing can be told then.
        """
        if len(self.said) < 2:
            return []
        found = []
        for start, end in sentences(summary):
            match = self.pattern.search(summary, start, end)
            if not match:
                continue
            named = match[0].casefold()
            said = next(words for label, words in self.said.items() if named.startswith(label))
            words = {word for word in self.split(summary[start:end]) if self.uses[word] == 1}
            own = sum(weights[word] for word in words & said)
            other = sum(weights[word] for word in words - said)
            found.append(Mention(*match.span(), own, other, len(words - said)))
        return found


def role_precision(found: list[Mention]) -> float | None:
    """Share, 0 to 1, of the evidence that is for the speaker named; None without evidence."""
    total = sum(one.own + one.other for one in found)
    return sum(one.own for one in found) / total if total else None
