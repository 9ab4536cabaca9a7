"""How much of a summary is the conversation's own words: bigram precision, coverage and density.

Coverage and density are those of Grusky, Naaman and Artzi (2018), "Newsroom: A Dataset of 1.3
Million Summaries with Diverse Extractive Strategies" (https://aclanthology.org/N18-1065).
"""

from collections import defaultdict
from itertools import pairwise


def bigram_precision(summary: list[str], conversation: list[str]) -> float | None:
    """Share of the summary's pairs of neighbouring words that are neighbours in the conversation.

    0 to 1; None if the summary has fewer than two words.
    """
    if len(summary) < 2:
        return None
    held = set(pairwise(conversation))
    pairs = list(pairwise(summary))
    return sum(pair in held for pair in pairs) / len(pairs)


def fragments(summary: list[str], conversation: list[str]) -> list[int]:
    """Lengths in words of the extractive fragments: the paper's greedy algorithm.

    From each word of the summary, the longest run of words that the conversation has, too; the
    search goes on behind it.
    """
    places = defaultdict(list)
    for at, word in enumerate(conversation):
        places[word].append(at)
    found, start = [], 0
    while start < len(summary):
        longest = max(
            (run_length(summary, start, conversation, at) for at in places[summary[start]]),
            default=0,
        )
        if longest:
            found.append(longest)
        start += longest or 1
    return found


def run_length(summary: list[str], start: int, conversation: list[str], at: int) -> int:
    """How many words are the same from `start` and from `at` on."""
    length = 0
    for one, other in zip(summary[start:], conversation[at:], strict=False):
        if one != other:
            break
        length += 1
    return length


def coverage_and_density(
    summary: list[str], conversation: list[str]
) -> tuple[float | None, float | None]:
    """Share of the summary's words in extractive fragments, 0 to 1, and the mean length in words
    of the fragment that a word is in. None if the summary has no words."""
    if not summary:
        return None, None
    lengths = fragments(summary, conversation)
    return sum(lengths) / len(summary), sum(n * n for n in lengths) / len(summary)
