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


@dataclass(frozen=True)
class Difference:
    """BLEU after minus BLEU before, 0 to 100, its 95 % interval, and p that it is chance."""

    before: float
    after: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        beyond = self.low > 0 or self.high < 0
        if beyond != (self.p < 0.05):
            return "borderline"
        return "significant" if beyond else "not significant"


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


def paired_bootstrap(
    before: np.ndarray, after: np.ndarray, samples: int = 10_000, seed: int = 42
) -> Difference:
    """Paired bootstrap resampling (Koehn, 2004); p as sacrebleu's `PairedTest` defines it.

    Both arrays have shape (dialogues, 10), in the order of `STATISTICS`, a row a dialogue.
    """
    rng = np.random.default_rng(seed)
    both = np.concatenate([before, after], axis=1)
    differences = np.empty(samples)
    for i in range(samples):
        total = both[rng.integers(len(both), size=len(both))].sum(axis=0, keepdims=True)
        differences[i] = corpus_bleu(total[:, 10:]) - corpus_bleu(total[:, :10])
    seen = corpus_bleu(before), corpus_bleu(after)
    sizes = np.abs(differences)
    beyond = np.sum(sizes - sizes.mean() > abs(seen[1] - seen[0]))
    low, high = np.percentile(differences, [2.5, 97.5])
    return Difference(*seen, float(low), float(high), p=float((beyond + 1) / (samples + 1)))


def gains(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What corpus BLEU gains by each dialogue's new summary alone, shape (dialogues,)."""
    total, start = before.sum(axis=0), corpus_bleu(before)
    return np.array(
        [corpus_bleu((total - b + a)[None]) - start for b, a in zip(before, after, strict=True)]
    )
