"""Corpus BLEU: the metric, the statistics it is made of, and its confidence interval.

BLEU is Papineni et al. (2002) as sacrebleu computes it (Post, 2018): cased, exponential smoothing,
against all references of a dialogue at once. A dialogue's contribution is ten counts, `STATISTICS`;
summed over dialogues they give corpus BLEU exactly, so a resample or a subset is scored without the
texts. A corpus in which no text has four tokens scores 0, whatever it says, as sacrebleu defines it.
"""

import numpy as np
from sacrebleu.metrics import BLEU

from stages.common.words import ENGLISH, Words

STATISTICS = (
    ["hypothesis_length", "reference_length"]
    + [f"matches_{n}" for n in (1, 2, 3, 4)]
    + [f"totals_{n}" for n in (1, 2, 3, 4)]
)


def statistics(
    hypotheses: list[str], references: list[list[str]], words: Words = ENGLISH
) -> np.ndarray:
    """Counts of shape (dialogues, 10), in the order of `STATISTICS`; lengths are in tokens."""
    bleu = words.bleu()
    pairs = zip(hypotheses, references, strict=True)
    # One sentence's corpus statistics are exactly what it adds to a corpus's.
    scores = (bleu.corpus_score([hyp], [[ref] for ref in refs]) for hyp, refs in pairs)
    return np.array([[s.sys_len, s.ref_len, *s.counts, *s.totals] for s in scores], dtype=np.int64)


def corpus_bleu(counts: np.ndarray) -> float:
    """BLEU, 0 to 100, of the dialogues whose statistics these are."""
    hypothesis, reference, *rest = (int(count) for count in counts.sum(axis=0))
    score = BLEU.compute_bleu(
        correct=rest[:4], total=rest[4:], sys_len=hypothesis, ref_len=reference, smooth_method="exp"
    )
    return score.score


def bootstrap(counts: np.ndarray, samples: int, seed: int) -> tuple[float, float]:
    """95 % interval of corpus BLEU by resampling dialogues (Koehn, 2004)."""
    draws = np.random.default_rng(seed).integers(len(counts), size=(samples, len(counts)))
    low, high = np.percentile([corpus_bleu(counts[draw]) for draw in draws], [2.5, 97.5])
    return float(low), float(high)
