"""Is a difference in BLEU more than chance, and which dialogues make it?

Works on the counts in metrics/dialogues.csv, which add up to corpus BLEU: no text is needed.
"""

import csv
from dataclasses import dataclass

import numpy as np

from stages.common.cli import UserError
from stages.scoring.bleu import STATISTICS, corpus_bleu
from tools.compare.revision import Revision

PATH = "metrics/dialogues.csv"
FEWEST = 20  # dialogues for a verdict


@dataclass(frozen=True)
class Difference:
    """BLEU after minus BLEU before, 0 to 100: its 95 % interval, and p that it is chance.

    p is None where there are too few dialogues for a verdict.
    """

    before: float
    after: float
    low: float
    high: float
    p: float | None

    @property
    def verdict(self) -> str:
        if self.p is None:
            return "too few dialogues for a verdict"
        return "significant" if self.p < 0.05 else "not significant"


def read_counts(revision: Revision) -> dict[str, dict[str, tuple[int, ...]]]:
    """Counts by system and dialogue; empty where the revision has no such table."""
    text = (revision.read(PATH) or b"").decode("utf-8", "replace")
    counts = {}
    try:
        for row in csv.DictReader(text.splitlines()):
            numbers = tuple(int(row[name]) for name in STATISTICS)
            counts.setdefault(row["system"], {})[row["id"]] = numbers
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{PATH} of {revision} is not a table as score writes it") from None
    return counts


def compare_counts(
    before: np.ndarray, after: np.ndarray, samples: int = 10_000, seed: int = 42
) -> Difference:
    """The difference, its interval by the bootstrap, and p by approximate randomisation.

    Both arrays have shape (dialogues, 10), in the order of `STATISTICS`, a row a dialogue.
    """
    low, high = np.percentile(bootstrap_differences(before, after, samples, seed), [2.5, 97.5])
    p = randomization_p(before, after, samples, seed) if len(before) >= FEWEST else None
    return Difference(corpus_bleu(before), corpus_bleu(after), float(low), float(high), p)


def bootstrap_differences(before, after, samples: int, seed: int) -> list[float]:
    """Differences over dialogues drawn with replacement, the same for both (Koehn, 2004)."""
    rng = np.random.default_rng(seed)
    both = np.concatenate([before, after], axis=1)
    differences = []
    for _ in range(samples):
        total = both[rng.integers(len(both), size=len(both))].sum(axis=0, keepdims=True)
        differences.append(corpus_bleu(total[:, 10:]) - corpus_bleu(total[:, :10]))
    return differences


def randomization_p(before, after, samples: int, seed: int) -> float:
    """Two-sided p of paired approximate randomisation (Riezler and Maxwell, 2005).

    If the two sides are alike, each dialogue's pair of summaries might as well be swapped: p is the
    share of random swaps after which BLEU differs at least as much as it does.
    """
    rng = np.random.default_rng(seed)
    change, start, end = after - before, before.sum(axis=0), after.sum(axis=0)
    seen = abs(corpus_bleu(after) - corpus_bleu(before))
    as_large = 0
    for _ in range(samples):
        moved = change[rng.random(len(change)) < 0.5].sum(axis=0)
        difference = corpus_bleu((start + moved)[None]) - corpus_bleu((end - moved)[None])
        as_large += abs(difference) >= seen - 1e-9  # rounding
    return (as_large + 1) / (samples + 1)


def gains(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What corpus BLEU gains by each dialogue's new summary alone, shape (dialogues,)."""
    total, start = before.sum(axis=0), corpus_bleu(before)
    return np.array(
        [corpus_bleu((total - b + a)[None]) - start for b, a in zip(before, after, strict=True)]
    )
