"""The paired bootstrap is sacrebleu's, made of counts instead of texts."""

import math

import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from stages.scoring.bleu import corpus_bleu, statistics
from tools.compare.significance import gains, paired_bootstrap

WORDS = [f"w{i}" for i in range(30)]


def corpus(seed: int, noise: float, dialogues: int = 40):
    """References, and two systems of which the second has more words wrong by `noise`."""
    rng = np.random.default_rng(seed)

    def spoil(text: str, share: float) -> str:
        return " ".join(w if rng.random() > share else rng.choice(WORDS) for w in text.split())

    references = [
        [" ".join(rng.choice(WORDS, rng.integers(8, 20))) for _ in range(2)]
        for _ in range(dialogues)
    ]
    before = [spoil(refs[0], 0.3) for refs in references]
    after = [spoil(refs[0], 0.3 + noise) for refs in references]
    return references, before, after


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("noise", [0.0, 0.04, 0.08])
def test_p_is_sacrebleus_within_monte_carlo_error(seed, noise):
    references, before, after = corpus(seed, noise)
    samples = 2000
    test = PairedTest(
        [("before", before), ("after", after)],
        {"bleu": BLEU()},
        list(zip(*references, strict=True)),
        test_type="bs",
        n_samples=samples,
    )
    theirs = test()[1]["BLEU"]
    ours = paired_bootstrap(
        statistics(before, references), statistics(after, references), samples, seed=seed
    )
    assert (ours.before, ours.after) == pytest.approx([result.score for result in theirs])
    p = (ours.p + theirs[1].p_value) / 2
    error = math.sqrt(2 * p * (1 - p) / samples)
    assert abs(ours.p - theirs[1].p_value) <= 4 * error + 1 / samples


def test_interval_is_of_the_differences_of_resampled_texts():
    references, before, after = corpus(3, 0.1, dialogues=20)
    samples, seed = 60, 7
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(samples):
        drawn = rng.integers(20, size=20)
        streams = list(zip(*(references[i] for i in drawn), strict=True))
        scores = [
            BLEU().corpus_score([s[i] for i in drawn], streams).score for s in (before, after)
        ]
        differences.append(scores[1] - scores[0])
    ours = paired_bootstrap(
        statistics(before, references), statistics(after, references), samples, seed
    )
    assert (ours.low, ours.high) == pytest.approx(np.percentile(differences, [2.5, 97.5]))


def test_verdicts():
    references, before, after = corpus(4, 0.5)
    good, bad = statistics(before, references), statistics(after, references)
    worse = paired_bootstrap(good, bad, 500)
    assert worse.verdict == "significant" and worse.low <= worse.high < 0
    other = statistics(corpus(4, 0.0)[2], references)
    assert paired_bootstrap(good, other, 500).verdict == "not significant"


def test_gains_are_of_one_summary_at_a_time():
    references, before, after = corpus(5, 0.2, dialogues=6)
    counts = statistics(before, references), statistics(after, references)
    found = gains(*counts)
    for i in range(6):
        texts = [*before[:i], after[i], *before[i + 1 :]]
        score = corpus_bleu(statistics(texts, references))
        assert found[i] == pytest.approx(score - corpus_bleu(counts[0]))
