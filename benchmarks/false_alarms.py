"""How often does `tools.compare` call two equal systems different?

    python -m benchmarks.false_alarms --trials 4000

Simulates pairs of systems that are equally good, over 20, 84 and 500 dialogues, and prints the share
of pairs with p below 0.05, with its standard error. BLEU: each dialogue's two summaries are drawn
from one distribution. Faithfulness: a measure that three summaries in ten have. Trainings: the
systems are one recipe, but each training of it is better or worse by chance, as seeds make it.
"""

import argparse
import math

import numpy as np

from stages.common.cli import run
from stages.scoring.bleu import statistics
from stages.scoring.significance import mean, pooled, randomization_p, scores, welch_p

DIALOGUES = (20, 84, 500)
LEVELS = (0.26, 0.28, 0.3, 0.32, 0.34)  # share of wrong words, by training
VARIANTS = 4  # summaries of a dialogue at each level
SAMPLES = 199  # swaps a test: p below 0.05 is then exactly one in twenty
WORDS = [f"w{i}" for i in range(40)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_alarms")
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    pool = summaries(max(DIALOGUES), np.random.default_rng(0))
    print("| null | " + " | ".join(f"{n} dialogues" for n in DIALOGUES) + " |")
    print("|---|" + "---:|" * len(DIALOGUES))
    rows = {
        "BLEU": lambda n, rng: bleu_p(pool, n, rng),
        "a measure of faithfulness": measure_p,
        "one recipe, one training a side": lambda n, rng: recipe_p(pool, n, rng, 1),
        "one recipe, three trainings a side": lambda n, rng: recipe_p(pool, n, rng, 3),
    }
    for name, p_of in rows.items():
        cells = []
        for n in DIALOGUES:
            rng = np.random.default_rng(n)
            rate = np.mean([p_of(n, rng) < 0.05 for _ in range(trials)])
            error = math.sqrt(rate * (1 - rate) / trials)
            cells.append(f"{100 * rate:.1f} ± {100 * error:.1f} %")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def summaries(dialogues: int, rng: np.random.Generator) -> np.ndarray:
    """BLEU's counts, shape (levels, variants, dialogues, 10)."""
    references = [list(rng.choice(WORDS, rng.integers(12, 30))) for _ in range(dialogues)]

    def spoiled(share: float) -> list[str]:
        return [
            " ".join(w if rng.random() > share else rng.choice(WORDS) for w in reference)
            for reference in references
        ]

    texts = [[" ".join(reference)] for reference in references]
    return np.array(
        [[statistics(spoiled(share), texts) for _ in range(VARIANTS)] for share in LEVELS]
    )


def bleu_p(pool: np.ndarray, n: int, rng: np.random.Generator) -> float:
    flat = pool.reshape(-1, *pool.shape[2:])
    at = rng.choice(flat.shape[1], n, replace=False)
    one, other = np.array([rng.choice(len(flat), 2, replace=False) for _ in range(n)]).T
    return randomization_p(flat[one, at], flat[other, at], SAMPLES, seed_of(rng))


def measure_p(n: int, rng: np.random.Generator) -> float:
    """A sum and a count a dialogue, as `tools.compare.faithfulness` has them."""
    sides = []
    hard = rng.random(n)  # what both systems find hard
    for _ in range(2):
        defined = rng.random(n) < 0.3
        values = np.where(rng.random(n) < hard, 0.5, 1.0) * defined
        sides.append(np.stack([values, defined], axis=1).astype(float))
    return randomization_p(*sides, SAMPLES, seed_of(rng), mean)


def recipe_p(pool: np.ndarray, n: int, rng: np.random.Generator, trainings: int) -> float:
    """The larger p of the two tests, or that over dialogues where there is one training a side."""
    at = rng.choice(pool.shape[2], n, replace=False)
    ids = list(map(str, at))
    sides = []
    for _ in range(2):
        levels = rng.integers(len(LEVELS), size=trainings)
        variants = rng.integers(VARIANTS, size=(trainings, n))
        runs = [pool[level, variant, at] for level, variant in zip(levels, variants, strict=True)]
        sides.append([dict(zip(ids, counts, strict=True)) for counts in runs])
    p = randomization_p(*(pooled(side, ids) for side in sides), SAMPLES, seed_of(rng))
    return max(p, welch_p(*(scores(side, ids) for side in sides)) or 0.0)


def seed_of(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 30))


if __name__ == "__main__":
    run(main)
