"""The test split as it was scored: conversations, references, summaries and their figures."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from stages.common.atomic_io import need, read_jsonl
from stages.common.cli import UserError
from stages.score import CLEAN, MODELS, UNSUPPORTED
from stages.scoring.bleu import corpus_bleu
from tools.compare.dialogues import PATH, read_counts, read_measures
from tools.compare.revision import Revision

HINT = "run `dvc repro` or `dvc pull`"
BLEU, LENGTH = "bleu", "length"
MEASURES = {
    BLEU: "BLEU",
    "number_precision": "Numbers held",
    "name_precision": "Names held",
    "role_precision": "Roles held",
    "bigram_precision": "Bigrams held",
    "coverage": "Coverage",
    "density": "Density",
    "entailment": "Entailment",
}
KEYS = MEASURES | {LENGTH: "Length of the conversation"}


class Dialogue(NamedTuple):
    id: str
    turns: list[dict]
    references: list[str]
    summaries: dict[str, str]  # by model
    spans: dict[str, list[dict]]  # what is unsupported, by model
    figures: dict[str, dict[str, float | None]]  # by model and measure

    @property
    def words(self) -> int:
        return sum(len((turn["text"] or "").split()) for turn in self.turns)

    def value(self, key: str, model: str) -> float | None:
        return self.words if key == LENGTH else self.figures[model].get(key)


def read_split() -> list[Dialogue]:
    """The dialogues in their order. A `UserError` says what is absent, or not of one run."""
    files = [need(path, HINT) for path in (CLEAN, UNSUPPORTED, Path(PATH))]
    return _read_split(tuple(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=1)
def _read_split(_changed: tuple[int, ...]) -> list[Dialogue]:
    rows = pl.read_parquet(CLEAN).to_dicts()
    found = {(row["model"], row["id"]): row for row in read_jsonl(UNSUPPORTED)}
    here = Revision("the working tree", None, frozenset({PATH}))
    figures, counts = read_measures(here), read_counts(here)
    ids = {row["id"] for row in rows}
    for model in MODELS:
        there = {id_ for name, id_ in found if name == model}
        if not ids == there == set(counts.get(model, ())):
            raise UserError(f"{CLEAN}, {UNSUPPORTED} and {PATH} are not of one run: {HINT}")
    return [
        Dialogue(
            row["id"],
            row["turns"],
            row["references"],
            {model: found[model, row["id"]]["summary"] for model in MODELS},
            {model: found[model, row["id"]]["unsupported"] for model in MODELS},
            {
                model: {BLEU: corpus_bleu(np.array([counts[model][row["id"]]]))}
                | figures[model][row["id"]]
                for model in MODELS
            },
        )
        for row in rows
    ]


def ordered(dialogues: list[Dialogue], key: str, model: str, worst: bool) -> list[Dialogue]:
    """By a measure of a model's summaries, worst first or last; what has no value comes last.

    The worst length is the longest.
    """
    known = [one for one in dialogues if one.value(key, model) is not None]
    rest = [one for one in dialogues if one.value(key, model) is None]
    rising = worst != (key == LENGTH)
    return sorted(known, key=lambda one: one.value(key, model), reverse=not rising) + rest
