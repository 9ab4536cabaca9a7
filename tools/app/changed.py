"""Two revisions' summaries of the same dialogues, and what changed between them."""

import json
from typing import NamedTuple

import numpy as np

from stages.common.cli import UserError
from stages.score import UNSUPPORTED
from stages.scoring.bleu import corpus_bleu
from stages.scoring.significance import gains
from tools.app.split import BLEU
from tools.compare import changes
from tools.compare.dialogues import read_counts, read_measures
from tools.compare.revision import Revision, commit, git, working_tree
from tools.compare.runs import experiments
from tools.compare.summaries import read_out, read_summaries

HERE = "the working tree"
MODEL = "tuned"


class Side(NamedTuple):
    """What there is of one revision, by dialogue."""

    revision: Revision
    counts: dict[str, tuple[int, ...]]
    measures: dict[str, dict[str, float | None]]
    summaries: dict[str, str] | None  # None: not on this machine
    spans: dict[str, list[dict]] | None


class Change(NamedTuple):
    id: str
    before: float | None
    after: float | None
    by: float | None  # of BLEU: what the corpus gained by this dialogue alone


class Comparison(NamedTuple):
    before: Side
    after: Side
    common: list[str]  # dialogues of both
    changed: list[Change]  # those whose summaries or scores differ
    bleu: tuple[float, float]  # of the corpus, over the dialogues of both


def names() -> list[str]:
    """What can be chosen: the working tree, branches, tags and DVC's experiments."""
    listed = git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags") or b""
    found = [revision.name for revision, _ in experiments()]
    return [HERE, *listed.decode("utf-8", "replace").splitlines(), *found]


def resolve(name: str) -> Revision:
    """The revision of a name; a `UserError` says that there is none."""
    if name == HERE:
        return working_tree()
    try:
        return commit(name)
    except UserError:
        for revision, _ in experiments():
            if revision.name == name:
                return revision
        raise


def read_side(name: str) -> Side:
    revision = resolve(name.strip())
    counts = read_counts(revision).get(MODEL)
    if not counts:
        raise UserError(f"{revision} has no scores: metrics/dialogues.csv is not in it")
    locked = changes.stages(revision)
    summaries, spans = read_summaries(locked), None
    content = read_out(locked, str(UNSUPPORTED))
    if content is not None:
        rows = [row for row in map(json.loads, content.splitlines()) if row["model"] == MODEL]
        summaries = {row["id"]: row["summary"] for row in rows}
        spans = {row["id"]: row["unsupported"] for row in rows}
    return Side(revision, counts, read_measures(revision).get(MODEL, {}), summaries, spans)


def compare(before: Side, after: Side, key: str, lost: bool) -> Comparison:
    """By how much each dialogue's measure changed, most lost first or most gained first.

    Dialogues for which the measure is not defined in both come last.
    """
    common = [id_ for id_ in after.counts if id_ in before.counts]
    if not common:
        raise UserError("the two have no dialogue in common")
    arrays = [np.array([side.counts[id_] for id_ in common]) for side in (before, after)]
    by = dict(zip(common, map(float, gains(*arrays)), strict=True))
    found = []
    for id_ in common:
        if not differs(before, after, id_):
            continue
        one, other = (value(side, id_, key) for side in (before, after))
        known = one is not None and other is not None
        found.append(
            Change(id_, one, other, by[id_] if key == BLEU else other - one if known else None)
        )
    known = sorted((c for c in found if c.by is not None), key=lambda c: c.by, reverse=not lost)
    ordered = [*known, *(c for c in found if c.by is None)]
    return Comparison(before, after, common, ordered, tuple(map(corpus_bleu, arrays)))


def differs(before: Side, after: Side, id_: str) -> bool:
    """Whether the summary or a score is another; a measure that one side lacks tells nothing."""
    one, other = before.measures.get(id_, {}), after.measures.get(id_, {})
    texts = [side.summaries and side.summaries.get(id_) for side in (before, after)]
    return (
        before.counts[id_] != after.counts[id_]
        or any(one[key] != other[key] for key in one.keys() & other.keys())
        or (None not in texts and texts[0] != texts[1])
    )


def value(side: Side, id_: str, key: str) -> float | None:
    if key == BLEU:
        return corpus_bleu(np.array([side.counts[id_]]))
    return side.measures.get(id_, {}).get(key)
