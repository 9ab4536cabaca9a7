"""How good each setting is, how sure that is, and what the best of many promises.

A corpus score is made of its dialogues' pseudo-values (Tukey's jackknife): n times the score less
n - 1 times the score without the dialogue, all moved alike so that their mean is the score. Their
spread is its error, for BLEU as for a mean. Settings are compared by the differences of their pseudo-values, dialogue by dialogue.
"""

import math
from dataclasses import dataclass

import numpy as np

from stages.scoring.bleu import corpus_bleu
from stages.scoring.significance import student_p


@dataclass(frozen=True)
class Estimate:
    """A setting's score, and what it is above the first setting's, with the standard error.

    `promised` is the score less what is expected to be luck, in a choice among all of these.
    """

    score: float
    difference: float
    error: float
    p: float
    promised: float

    @property
    def verdict(self) -> str:
        if self.p >= 0.05:
            return "equal, as far as this can see"
        return "better" if self.difference > 0 else "worse"


def pseudo_values(counts: np.ndarray) -> np.ndarray:
    """Of corpus BLEU, shape (dialogues,), from counts of shape (dialogues, 10)."""
    total, n = counts.sum(axis=0), len(counts)
    whole = corpus_bleu(total[None])
    without = np.array([corpus_bleu((total - one)[None]) for one in counts])
    values = n * whole - (n - 1) * without
    return values - values.mean() + whole


def estimate(values: np.ndarray, folds: np.ndarray) -> list[Estimate]:
    """An estimate a setting, from values of shape (settings, dialogues) and each dialogue's fold.

    A value is a dialogue's mean over seeds. The first setting is what the others are compared with.
    """
    scores = values.mean(axis=1)
    promised = shrink(scores, values, folds)
    by_dialogues = within(values - values[0], folds)
    by_trainings = between((values - values[0])[1:], folds)
    found = []
    for score, dialogues, best in zip(scores, by_dialogues, promised, strict=True):
        difference, error = score - scores[0], math.sqrt(dialogues + by_trainings)
        # Of both parts together (Satterthwaite, 1946); folds are few.
        freedom = len(np.unique(folds)) - 1
        parts = dialogues**2 / (len(folds) - freedom - 1) + by_trainings**2 / freedom
        p = student_p(abs(difference) / error, error**4 / parts) if dialogues else 1.0
        found.append(Estimate(*map(float, (score, difference, error, p, best))))
    return found


def within(differences: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Squared error of each mean that the dialogues make, those of a fold being one training's."""
    parts = [differences[:, folds == fold] for fold in np.unique(folds)]
    return sum(part.shape[1] * part.var(axis=1, ddof=1) for part in parts) / len(folds) ** 2


def between(differences: np.ndarray, folds: np.ndarray) -> float:
    """Squared error of a mean that the trainings make.

    A fold is a training of its own. What the folds' means differ by, beyond what their dialogues
    explain, is the trainings': one figure for all settings, for there are few folds.
    """
    names = np.unique(folds)
    parts = [differences[:, folds == fold] for fold in names]
    means = np.array([part.mean(axis=1) for part in parts])
    explained = np.mean([part.var(axis=1, ddof=1) / part.shape[1] for part in parts], axis=0)
    excess = means.var(axis=0, ddof=1) - explained
    return max(0.0, float(excess.mean())) / len(names)


def shrink(scores: np.ndarray, values: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Each score, drawn towards their mean by the share of their spread that is noise.

    Empirical Bayes (Efron and Morris, 1975): the highest of many scores is high by luck as well.
    """
    apart = values - values.mean(axis=0)
    noise = float(within(apart, folds).mean() + between(apart, folds))
    # A deviation from the mean of so many has less noise than a score has.
    noise *= len(scores) / (len(scores) - 1)
    spread = float(scores.var(ddof=1))
    real = max(0.0, 1 - noise / spread) if spread else 0.0
    return scores.mean() + real * (scores - scores.mean())
