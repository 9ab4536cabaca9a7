"""Of several summaries of one dialogue, the one that the others agree with most.

Minimum Bayes risk decoding (Kumar and Byrne, 2004): what a model is sure of recurs in its beams,
so the beam that shares most with the rest is a safer choice than the likeliest.
"""

from collections import Counter

LONGEST = 3  # words of an n-gram


def most_agreed(candidates: list[str]) -> str:
    """The candidate with the highest mean overlap with all; the first of equals."""
    counts = [ngrams(text.lower().split()) for text in candidates]
    return candidates[
        max(
            range(len(candidates)),
            key=lambda i: sum(overlap(counts[i], other) for other in counts),
        )
    ]


def ngrams(words: list[str]) -> list[Counter]:
    """Counts of the n-grams, for n from 1 to `LONGEST`."""
    return [
        Counter(zip(*(words[i:] for i in range(n)), strict=False)) for n in range(1, LONGEST + 1)
    ]


def overlap(one: list[Counter], other: list[Counter]) -> float:
    """The F1 of shared n-grams, 0 to 1, as a mean over n."""
    pairs = list(zip(one, other, strict=True))
    return sum(2 * (a & b).total() / max(1, a.total() + b.total()) for a, b in pairs) / len(pairs)
