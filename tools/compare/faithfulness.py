"""The faithfulness section of the comment: the tuned model's measures that differ."""

from dataclasses import replace

import numpy as np

from stages.scoring.significance import (
    FEWEST,
    Difference,
    compare_counts,
    mean,
    pooled,
    welch_p,
)
from tools.compare.bleu import SAMPLES, common_ids, rows
from tools.compare.dialogues import read_measures
from tools.compare.markdown import code
from tools.compare.one_test import other_data
from tools.compare.revision import Revision


def faithfulness_section(old: list[Revision], new: list[Revision], notes: list[str]) -> list[str]:
    """How much of what the tuned model says its conversations hold, before and after."""
    before, after = ([read_measures(run).get("tuned", {}) for run in side] for side in (old, new))
    if not before[0] or not after[0] or other_data(old[0], new[0]):
        return []
    ids = common_ids([*before, *after], notes)
    known = [
        set.intersection(*(set(row) for run in side for row in run.values()))
        for side in (before, after)
    ]
    if known[1] and not known[0]:
        notes.append(f"{code(str(old[0]))} has no measures of faithfulness.")
    tested = {}
    for measure in [m for m in next(iter(after[0].values())) if m in known[0] & known[1]]:
        found = difference(measure, before, after, ids)
        if found:
            tested[measure] = found
    if not tested:
        return []
    explained = (
        "Of the tuned model; shares in percent, density in words, pmi in nats a token. Means over the dialogues whose"
        f" summaries have such a thing; a verdict takes {FEWEST}. Each measure is tested alone: of"
        " twenty, one differs by chance."
    )
    return ["### Faithfulness", "", *rows(tested), "", explained]


def difference(
    measure: str, before: list[dict], after: list[dict], ids: list[str]
) -> Difference | None:
    """The difference over dialogues with the measure on a side; None if there is none to see."""
    sides = [[columns(run, measure) for run in side] for side in (before, after)]
    ids = [id_ for id_ in ids if any(run[id_][1] for side in sides for run in side)]
    if not ids:
        return None
    one, other = pooled(sides[0], ids, len(after)), pooled(sides[1], ids, len(before))
    if (one == other).all() or not one[:, 1].any() or not other[:, 1].any():
        return None
    runs = [
        [float(mean(pooled([run], ids).sum(axis=0)[None])[0]) for run in side] for side in sides
    ]
    p_runs = welch_p(*runs) if np.isfinite([*runs[0], *runs[1]]).all() else None
    return replace(compare_counts(one, other, SAMPLES, score=mean), p_runs=p_runs)


def columns(run: dict[str, dict], measure: str) -> dict[str, tuple[float, float]]:
    """By dialogue: the measure or 0, and whether it is defined."""
    values = {id_: row[measure] for id_, row in run.items()}
    return {id_: (v or 0.0, float(v is not None)) for id_, v in values.items()}
