"""Words of a summary that its conversation does not have, without those that summaries add anyway.

References say "customer" and "complains" where no conversation does. What they add in several
dialogues is the language of summaries and says nothing; another new word may be a new claim.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

import regex

from stages.common.languages import UNSPACED
from stages.common.words import WORD

NO_WORD = regex.compile(rf"[\p{{N}}{UNSPACED}]", regex.VERSION1)
USUAL = 2  # dialogues whose references add a word, from which it is the language of summaries
SHORTEST, ENDING = 4, 3  # letters that two forms of a word share at least, and that may differ


class Vocabulary:
    """The words of one conversation, which also has those with the same beginning: forms of a word."""

    def __init__(self, text: str):
        self.words = sorted({match[0] for match in WORD.finditer(text.casefold())})

    def __contains__(self, word: str) -> bool:
        if len(word) < SHORTEST:
            return word in self.after(word)
        beginning = word[: max(SHORTEST, len(word) - ENDING)]
        return any(other.startswith(beginning) for other in self.after(beginning))

    def after(self, text: str) -> list[str]:
        """The first word from `text` on, in their order: if it does not begin so, none does."""
        at = bisect_left(self.words, text)
        return self.words[at : at + 1]


class NewWords:
    """Finds words that neither the conversation has nor the references of several dialogues add."""

    def __init__(self, conversations: Iterable[str], references: Iterable[list[str]]):
        added: Counter = Counter()
        for conversation, texts in zip(map(Vocabulary, conversations), references, strict=True):
            added.update({word for text in texts for *_, word in missing(text, conversation)})
        self.usual = {word for word, count in added.items() if count >= USUAL}

    def find(self, text: str, conversation: Vocabulary) -> Iterator[tuple[int, int]]:
        """Start and end of each."""
        for start, end, word in missing(text, conversation):
            if word not in self.usual:
                yield start, end


def missing(text: str, conversation: Vocabulary) -> Iterator[tuple[int, int, str]]:
    """Start, end and lower case of each word that the conversation lacks.

    Without numbers, words of one or two letters, and scripts that put no spaces between words.
    """
    for match in WORD.finditer(text):
        word = match[0].casefold()
        if len(word) > 2 and not NO_WORD.search(word) and word not in conversation:
            yield *match.span(), word
