"""The table of a cross-validation, from the scores of its trainings."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from stages.common.cli import UserError
from stages.scoring.bleu import STATISTICS, corpus_bleu
from tools.crossvalidate.estimate import estimate, pseudo_values
from tools.crossvalidate.fold import HELD, HUMAN, HUMAN_HELD
from tools.crossvalidate.plan import Training

Scores = dict[tuple[int, int], dict[str, pl.DataFrame]]  # by seed and fold, then by setting
FEWEST = 5  # dialogues of a fold
ROUGE = ("rouge_1", "rouge_2", "rouge_l")
HEADER = [
    *("setting", "BLEU", "difference", "standard error", "", "promised"),
    *("ROUGE-1", "ROUGE-2", "ROUGE-L", "numbers held", "names held"),
]


def read_scores(files: dict[Training, Path], settings: int) -> Scores:
    """What each setting scored, of the seeds and folds that all of them have."""
    found: Scores = {}
    for training, file in files.items():
        if file.exists():
            tables = found.setdefault((training.seed, training.fold), {})
            tables[training.setting] = pl.read_parquet(file)
    return {key: in_common(tables) for key, tables in found.items() if len(tables) == settings}


def in_common(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The rows of the dialogues that every setting has, for cleaning may drop others; sorted."""
    ids = set.intersection(*(set(table["id"]) for table in tables.values()))
    return {
        name: table.filter(pl.col("id").is_in(ids)).sort("id") for name, table in tables.items()
    }


def summarize(scores: Scores) -> tuple[list[list[str]], list[str]]:
    """Rows below `HEADER`, a setting each, and sentences about them."""
    settings = list(next(iter(scores.values())))
    values = [dialogue_values(scores, setting) for setting in settings]
    folds = values[0]["fold"].to_numpy()
    if min(Counter(folds.tolist()).values()) < FEWEST:
        raise UserError(f"a fold has fewer than {FEWEST} dialogues: ask for fewer folds")
    estimates = estimate(np.array([table["value"].to_numpy() for table in values]), folds)
    rows = []
    for setting, found in zip(settings, estimates, strict=True):
        compared = [f"{found.difference:+.2f}", f"{found.error:.2f}", found.verdict]
        every = pl.concat([tables[setting] for tables in scores.values()])
        others = [every[name].mean() for name in (*ROUGE, *HELD)]
        rows.append(
            [
                setting,
                f"{found.score:.2f}",
                *(compared if setting != settings[0] else ["", "", ""]),
                f"{found.promised:.2f}",
                *("-" if value is None else f"{value:.2f}" for value in others),
            ]
        )
    best = max(range(len(settings)), key=lambda i: estimates[i].score)
    dialogues = pl.concat([tables[settings[0]] for tables in scores.values()]).unique("id")
    seeds = len({seed for seed, _ in scores})
    chosen = f"Its {estimates[best].score:.1f} was chosen among {len(settings)}"
    lines = [
        f"{len(values[0])} dialogues, {len(set(folds))} folds, {seeds} seeds; all references.",
        f"{settings[best]} is the highest. {chosen}: expect {estimates[best].promised:.1f}.",
    ]
    if (human := corpus_bleu(dialogues.select(HUMAN).to_numpy())) > 0:
        lines.append(f"The first reference against the others of its dialogue: {human:.1f}.")
    held = [dialogues[name].mean() for name in HUMAN_HELD]
    if None not in held:
        lines.append(
            "Of the references, {:.2f} % of numbers and {:.2f} % of names are held.".format(*held)
        )
    return rows, lines


def dialogue_values(scores: Scores, setting: str) -> pl.DataFrame:
    """`fold`, `id` and `value`: the mean over seeds of what a dialogue adds to BLEU; sorted."""
    parts = []
    for seed in {seed: None for seed, _ in scores}:
        table = pl.concat(
            tables[setting].with_columns(fold=pl.lit(fold))
            for (one, fold), tables in scores.items()
            if one == seed
        )
        value = pl.Series(pseudo_values(table.select(STATISTICS).to_numpy()))
        parts.append(table.select("fold", "id", value=value))
    return pl.concat(parts).group_by("fold", "id").mean().sort("fold", "id")
