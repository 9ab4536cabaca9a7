"""Corpus BLEU from counts for each dialogue, and its confidence interval.

BLEU is Papineni et al. (2002) as sacrebleu computes it (Post, 2018): cased, exponential smoothing,
against all references of a dialogue at once. Each dialogue contributes ten counts, `STATISTICS`.
Their sums over dialogues give corpus BLEU exactly, so that a resample or a subset can be scored
without the texts. By sacrebleu's definition, a corpus in which no text has four tokens scores 0.
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
    # The statistics of a corpus of one text are what the text adds to those of a larger corpus.
    scores = (bleu.corpus_score([hyp], [[ref] for ref in refs]) for hyp, refs in pairs)
    return np.array([[s.sys_len, s.ref_len, *s.counts, *s.totals] for s in scores], dtype=np.int64)


def corpus_bleu(counts: np.ndarray) -> float:
    """BLEU, 0 to 100, from the dialogues' statistics, of shape (dialogues, 10)."""
    hypothesis, reference, *rest = (int(count) for count in counts.sum(axis=0))
    score = BLEU.compute_bleu(
        correct=rest[:4], total=rest[4:], sys_len=hypothesis, ref_len=reference, smooth_method="exp"
    )
    return score.score


def bootstrap(counts: np.ndarray, samples: int, seed: int) -> tuple[float, float]:
    """95 % confidence interval of corpus BLEU, by resampling dialogues (Koehn, 2004)."""
    draws = np.random.default_rng(seed).integers(len(counts), size=(samples, len(counts)))
    low, high = np.percentile([corpus_bleu(counts[draw]) for draw in draws], [2.5, 97.5])
    return float(low), float(high)
