"""The tables that score writes: for the plots, and of every dialogue."""

import csv
from pathlib import Path

import numpy as np
import polars as pl

from stages.common.atomic_io import atomic_write
from stages.common.languages import length_unit, lengths
from stages.scoring.bleu import STATISTICS, corpus_bleu
from stages.scoring.faithfulness import MEASURES, WITH_A_MODEL


def write(
    metrics: Path,
    ids: list[str],
    dialogues: list[list[dict]],
    references: list[list[str]],
    systems: dict[str, list[str]],
    counts: dict[str, np.ndarray],
    checked: dict[str, list],
    scores: dict[str, dict],
) -> None:
    """Write the tables below `metrics`; `counts`, `checked` and `scores` are by system."""
    plots = metrics / "plots"
    write_table(metrics / "dialogues.csv", *of_dialogues(ids, counts, checked))
    conversations = pl.Series(
        [" ".join(turn["text"] for turn in turns) for turns in dialogues], dtype=pl.String
    )
    write_table(plots / "bleu_by_length.csv", *by_length(conversations, counts))
    write_table(plots / "summary_length.csv", *of_lengths(references, systems))
    write_table(plots / "faithfulness.csv", *of_faithfulness(scores))


def write_table(path: Path, header: list[str], rows: list[list]) -> None:
    with atomic_write(path) as aside, open(aside, "w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *rows])


def of_dialogues(ids: list[str], counts: dict, checked: dict) -> tuple[list[str], list[list]]:
    """BLEU's counts and the measures of faithfulness; a measure that is not defined is empty."""
    measures = measures_of(checked)
    rows = []
    for i, id_ in enumerate(ids):
        for name, table in counts.items():
            values = (checked[name][i].measures[measure] for measure in measures)
            figures = ["" if value is None else f"{value:.4f}" for value in values]
            rows.append([id_, name, *table[i].tolist(), *figures])
    return ["id", "system", *STATISTICS, *measures], rows


def measures_of(checked: dict[str, list]) -> list[str]:
    """`MEASURES`, and what a model has added."""
    return list(dict.fromkeys([*MEASURES, *(k for one in checked["tuned"] for k in one.measures)]))


def by_length(conversations: pl.Series, counts: dict, buckets: int = 4):
    """BLEU by length of the conversation, in about equal `buckets` with their mean length."""
    unit = length_unit(conversations)
    sizes = lengths(conversations, unit).to_numpy()
    parts = np.array_split(np.argsort(sizes, kind="stable"), min(buckets, len(sizes)))
    rows = [
        [
            unit,
            round(float(sizes[part].mean())),
            *(f"{corpus_bleu(t[part]):.2f}" for t in counts.values()),
        ]
        for part in parts
    ]
    return ["unit", "length", *counts], rows


def of_lengths(references: list[list[str]], systems: dict):
    """Length of each summary and mean length of its dialogue's references."""
    unit = length_unit(pl.Series([text for texts in references for text in texts]))
    summaries = [lengths(pl.Series(systems[name]), unit).to_list() for name in ("tuned", "base")]
    means = [lengths(pl.Series(refs), unit).mean() for refs in references]
    rows = [[unit, f"{mean:.1f}", *sizes] for mean, *sizes in zip(means, *summaries, strict=True)]
    return ["unit", "reference", "tuned", "base"], rows


def of_faithfulness(scores: dict[str, dict]):
    """The measures that are shares, by system; density and pmi are in score.json."""
    rows = [
        [measure, *("" if s[measure] is None else f"{s[measure]:.2f}" for s in scores.values())]
        for measure, scale in (MEASURES | WITH_A_MODEL).items()
        if measure in scores["tuned"] and scale == 100
    ]
    return ["measure", *scores], rows
