"""Is a difference in a score more than chance, and which dialogues make it?

Works on the figures in metrics/dialogues.csv, from whose totals a score is computed: BLEU from
counts, a measure of faithfulness from its sum and the number of dialogues that have it. No text is
needed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stages.scoring.bleu import corpus_bleu

FEWEST = 20  # dialogues for a verdict
AT_ONCE = 1_000  # samples held in memory

Score = Callable[[np.ndarray], np.ndarray]  # of totals, of shape (samples, columns)


@dataclass(frozen=True)
class Difference:
    """A score after minus the score before: its 95 % interval, and p that it is chance.

    p is None where there are too few dialogues for a verdict. `p_runs`, where both sides have several
    trainings, is that of the difference between their means.
    """

    before: float
    after: float
    low: float
    high: float
    p: float | None
    p_runs: float | None = None

    @property
    def verdict(self) -> str:
        if self.p is None:
            return "too few dialogues for a verdict"
        if self.p < 0.05 and (self.p_runs or 0) >= 0.05:
            return "not significant: seeds differ as much"
        return "significant" if self.p < 0.05 else "not significant"


def bleu(totals: np.ndarray) -> np.ndarray:
    return np.array([corpus_bleu(total[None]) for total in totals])


def mean(totals: np.ndarray) -> np.ndarray:
    """Of a sum and a number of dialogues; not a number where none has the measure."""
    with np.errstate(invalid="ignore"):
        return totals[:, 0] / totals[:, 1]


def compare_counts(
    before: np.ndarray,
    after: np.ndarray,
    samples: int = 10_000,
    seed: int = 42,
    score: Score = bleu,
) -> Difference:
    """The difference, its interval by the bootstrap, and p by approximate randomisation.

    Both arrays have a row a dialogue, of columns whose totals `score` takes: for BLEU ten, in the
    order of `STATISTICS`.
    """
    differences = bootstrap_differences(before, after, samples, seed, score)
    low, high = np.nanpercentile(differences, [2.5, 97.5])
    p = randomization_p(before, after, samples, seed, score) if len(before) >= FEWEST else None
    one, other = (float(score(side.sum(axis=0)[None])[0]) for side in (before, after))
    return Difference(one, other, float(low), float(high), p)


def batches(samples: int) -> Iterator[int]:
    for start in range(0, samples, AT_ONCE):
        yield min(AT_ONCE, samples - start)


def bootstrap_differences(
    before: np.ndarray, after: np.ndarray, samples: int, seed: int, score: Score = bleu
) -> np.ndarray:
    """Differences over dialogues drawn with replacement, the same for both (Koehn, 2004)."""
    rng = np.random.default_rng(seed)
    differences = []
    for some in batches(samples):
        drawn = [rng.integers(len(before), size=len(before)) for _ in range(some)]
        one, other = (
            np.array([side[draw].sum(axis=0) for draw in drawn]) for side in (before, after)
        )
        differences.append(score(other) - score(one))
    return np.concatenate(differences)


def randomization_p(
    before: np.ndarray, after: np.ndarray, samples: int, seed: int, score: Score = bleu
) -> float:
    """Two-sided p of paired approximate randomisation (Riezler and Maxwell, 2005).

    If the two sides are alike, each dialogue's pair of summaries might as well be swapped: p is the
    share of random swaps after which the score differs at least as much as it does.
    """
    rng = np.random.default_rng(seed)
    change, start, end = after - before, before.sum(axis=0), after.sum(axis=0)
    seen = abs(score(end[None]) - score(start[None]))
    as_large = 0
    for some in batches(samples):
        moved = np.array([change[rng.random(len(change)) < 0.5].sum(axis=0) for _ in range(some)])
        differences = abs(score(start + moved) - score(end - moved))
        # Within rounding; a swap after which a side has no score is no evidence of a difference.
        as_large += int((~(differences < seen - 1e-9)).sum())
    return (as_large + 1) / (samples + 1)


def gains(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What corpus BLEU gains by each dialogue's new summary alone, shape (dialogues,)."""
    total, start = before.sum(axis=0), corpus_bleu(before)
    return np.array(
        [corpus_bleu((total - b + a)[None]) - start for b, a in zip(before, after, strict=True)]
    )


def pooled(runs: list[dict[str, tuple]], ids: list[str], runs_elsewhere: int = 1) -> np.ndarray:
    """Counts of all runs together, shape (dialogues, columns), a row an id.

    Weighted so that two sides of different numbers of runs weigh the same.
    """
    weight = math.lcm(len(runs), runs_elsewhere) // len(runs)
    return weight * sum(np.array([run[id_] for id_ in ids]) for run in runs)


def scores(runs: list[dict[str, tuple]], ids: list[str]) -> list[float]:
    """BLEU of each run."""
    return [corpus_bleu(np.array([run[id_] for id_ in ids])) for run in runs]


def welch_p(before: list[float], after: list[float]) -> float | None:
    """Two-sided p that runs of both sides have one mean (Welch, 1947); None below two a side."""
    if min(len(before), len(after)) < 2:
        return None
    errors = [np.var(side, ddof=1) / len(side) for side in (before, after)]
    if not sum(errors):
        return float(np.mean(before) == np.mean(after))
    t = abs(np.mean(after) - np.mean(before)) / math.sqrt(sum(errors))
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(side) - 1) for error, side in zip(errors, (before, after), strict=True)
    )
    return student_p(t, freedom)


def student_p(t: float, freedom: float) -> float:
    """Two-sided p of Student's t, integrated numerically, to six digits."""
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    # By the angle, in which the density has no tail: x = tan(angle) * sqrt(freedom).
    angle = np.linspace(0, math.atan(t / math.sqrt(freedom)), 20_001)
    inside = np.trapezoid(np.cos(angle) ** (freedom - 1), angle) * math.exp(scale)
    return max(0.0, 1 - 2 * float(inside) / math.sqrt(math.pi))
