"""Significance equals sacrebleu's paired test, computed from counts, and its p is correct."""

import math

import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from stages.scoring.bleu import corpus_bleu, statistics
from stages.scoring.significance import (
    bootstrap_differences,
    compare_counts,
    gains,
    randomization_p,
)

WORDS = [f"w{i}" for i in range(30)]


def corpus(seed: int, noise: float, dialogues: int = 40):
    """References and two systems. The second has a share of `noise` more wrong words."""
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
def test_p_equals_sacrebleus_within_monte_carlo_error(seed, noise):
    references, before, after = corpus(seed, noise)
    samples = 2000
    test = PairedTest(
        [("before", before), ("after", after)],
        {"bleu": BLEU()},
        list(zip(*references, strict=True)),
        test_type="ar",
        n_samples=samples,
    )
    theirs = test()[1]["BLEU"]
    counts = statistics(before, references), statistics(after, references)
    ours = randomization_p(*counts, samples, seed)
    assert [corpus_bleu(side) for side in counts] == pytest.approx([r.score for r in theirs])
    p = (ours + theirs[1].p_value) / 2
    error = math.sqrt(2 * p * (1 - p) / samples)
    assert abs(ours - theirs[1].p_value) <= 4 * error + 1 / samples


@pytest.mark.parametrize("dialogues", [20, 84])
def test_equal_systems_seldom_differ_significantly(dialogues):
    """Both systems draw their summaries from the same distribution."""
    references, _, _ = corpus(6, 0.0, dialogues)
    pool = [statistics(corpus(6, noise, dialogues)[2], references) for noise in (0.0, 0.05, 0.1)]
    rng = np.random.default_rng(7)
    alarms, tries = 0, 150
    for _ in range(tries):
        kinds = np.array([rng.permutation(len(pool))[:2] for _ in range(dialogues)])
        sides = [np.array([pool[k][i] for i, k in enumerate(kinds[:, j])]) for j in (0, 1)]
        alarms += randomization_p(*sides, samples=200, seed=int(rng.integers(1 << 30))) < 0.05
    # 5 % of 150, and three standard errors of that.
    assert alarms <= 0.05 * tries + 3 * math.sqrt(tries * 0.05 * 0.95)


def test_interval_equals_that_of_resampled_texts():
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
    counts = statistics(before, references), statistics(after, references)
    assert bootstrap_differences(*counts, samples, seed) == pytest.approx(differences)
    ours = compare_counts(*counts, samples, seed)
    assert (ours.low, ours.high) == pytest.approx(np.percentile(differences, [2.5, 97.5]))


def test_verdict_needs_a_small_p_and_enough_dialogues():
    references, before, after = corpus(4, 0.5)
    good, bad = statistics(before, references), statistics(after, references)
    worse = compare_counts(good, bad, 500)
    assert worse.verdict == "significant" and worse.low <= worse.high < 0
    other = statistics(corpus(4, 0.0)[2], references)
    assert compare_counts(good, other, 500).verdict == "not significant"
    few = compare_counts(good[:19], bad[:19], 500)
    assert few.verdict == "too few dialogues for a verdict" and few.p is None and few.high < 0


def test_gain_is_the_effect_of_one_changed_summary():
    references, before, after = corpus(5, 0.2, dialogues=6)
    counts = statistics(before, references), statistics(after, references)
    found = gains(*counts)
    for i in range(6):
        texts = [*before[:i], after[i], *before[i + 1 :]]
        score = corpus_bleu(statistics(texts, references))
        assert found[i] == pytest.approx(score - corpus_bleu(counts[0]))
