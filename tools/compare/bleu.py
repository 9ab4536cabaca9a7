"""The BLEU section of the comment: every system whose summaries differ, and its dialogues."""

from dataclasses import replace

import numpy as np

from stages.scoring.bleu import corpus_bleu
from stages.scoring.significance import (
    FEWEST,
    Difference,
    compare_counts,
    gains,
    pooled,
    scores,
    welch_p,
)
from tools.compare import changes
from tools.compare.dialogues import read_counts
from tools.compare.markdown import code, folded, table
from tools.compare.one_test import other_bleu, other_references
from tools.compare.revision import Revision
from tools.compare.summaries import read_summaries

SAMPLES = 10_000


def bleu_section(old: list[Revision], new: list[Revision], notes: list[str]) -> list[str]:
    """BLEU of each system whose counts differ, and the dialogues behind the tuned model's.

    A side is a revision and its repeated runs.
    """
    befores, afters = ([read_counts(run) for run in side] for side in (old, new))
    base, head = old[0], new[0]
    for revision, counts in ((base, befores[0]), (head, afters[0])):
        if not counts:
            notes.append(f"{code(str(revision))} has no metrics yet: there is nothing to compare.")
    if not befores[0] and "tuned" in afters[0]:
        first = corpus_bleu(np.array(list(afters[0]["tuned"].values())))
        return ["### BLEU", "", f"**Tuned model: {first:.1f}**, the first score."]
    if unlike := unlike_tests(base, head):
        return untested(befores[0], afters[0], unlike)
    tested, count = {}, 0
    for system in [name for name in afters[0] if name in befores[0]]:
        before, after = ([run[system] for run in side] for side in (befores, afters))
        ids = common_ids([*before, *after], notes)
        one, other = pooled(before, ids, len(after)), pooled(after, ids, len(before))
        if len(ids) > 1 and (one != other).any():
            p_runs = welch_p(scores(before, ids), scores(after, ids))
            tested[system] = replace(compare_counts(one, other, SAMPLES), p_runs=p_runs)
            count = len(ids)
    if not tested:
        return []
    lines = ["### BLEU", "", headline(tested.get("tuned")), "", *rows(tested)]
    lines += ["", f"{method(count)} {trainings(old, new, tested.get('tuned'))}"]
    if "tuned" in tested:
        before, after = befores[0]["tuned"], afters[0]["tuned"]
        ids = [id_ for id_ in after if id_ in before]
        arrays = (np.array([side[id_] for id_ in ids]) for side in (before, after))
        lines += ["", *dialogues(ids, *arrays, base, head, notes)]
    return lines


def unlike_tests(base: Revision, head: Revision) -> str:
    """How the two were scored otherwise; empty where they can be compared."""
    found = ["on other test data"] if other_references(base, head) else []
    found += ["with another signature of BLEU"] if other_bleu(base, head) else []
    return " and ".join(found)


def untested(before: dict[str, dict], after: dict[str, dict], unlike: str) -> list[str]:
    """Scores of two tests side by side: no dialogue has a pair, so there is nothing to test."""
    scored = {
        name: [corpus_bleu(np.array(list(side[name].values()))) for side in (before, after)]
        for name in after
        if name in before and before[name] != after[name]
    }
    if not scored:
        return []
    figures = {name: [f"{score:.2f}" for score in both] for name, both in scored.items()}
    said = f"The scores cannot be compared: those after are {unlike}"
    if "tuned" in scored:
        one, other = scored["tuned"]
        said = f"Tuned model: {one:.1f} before, {other:.1f} after {unlike}: no verdict"
    lines = table(["", "before", "after"], [[code(n), *both] for n, both in figures.items()])
    return ["### BLEU", "", f"**{said}**", "", *lines]


def common_ids(runs: list[dict], notes: list[str]) -> list[str]:
    """The dialogues that all runs have, in the order of the last; `notes` gains what is left out."""
    first, last = runs[0], runs[-1]
    ids = [id_ for id_ in last if all(id_ in run for run in runs)]
    if len(ids) < max(map(len, runs)):
        said = f"The test splits differ: {len(first)} dialogues before, {len(last)} after"
        rest = "scores are compared over these" if len(ids) > 1 else "no paired test is possible"
        note = f"{said}, {len(ids)} in both; {rest}."
        notes += [] if note in notes else [note]
    return ids


def rows(tested: dict[str, Difference]) -> list[str]:
    """A table of differences, by what is tested."""
    return table(
        ["", "before", "after", "difference", "95 % interval", "p", ""],
        [
            [
                code(name),
                f"{d.before:.2f}",
                f"{d.after:.2f}",
                f"{d.after - d.before:+.2f}",
                f"{d.low:+.2f} to {d.high:+.2f}",
                "" if d.p is None else f"{d.p:.4f}",
                d.verdict,
            ]
            for name, d in tested.items()
        ],
    )


def trainings(old: list[Revision], new: list[Revision], tuned: Difference | None) -> str:
    """What the table says of other seeds."""
    if len(old) == len(new) == 1:
        return "One training a side: how much another seed would change is not in it."
    counts = f"{len(old)} before and {len(new)} after, of other seeds"
    said = f"Trainings: {counts}; scores are of all their summaries together."
    if tuned is None or tuned.p_runs is None:
        return f"{said} It takes two a side to tell how much a seed changes."
    return (
        f"{said} Between the trainings' scores p is {tuned.p_runs:.2g} (Welch's test), and a"
        " significant difference needs both."
    )


def headline(tuned: Difference | None) -> str:
    if tuned is None:
        return "**The tuned model scores as before.**"
    way = f"{tuned.before:.1f} → {tuned.after:.1f}"
    p = "" if tuned.p is None else f" (p = {tuned.p:.2g})"
    return f"**Tuned model: {way}, {tuned.verdict}**{p}"


def method(dialogues: int) -> str:
    """How the table was made, and what it leaves out."""
    if dialogues < FEWEST:
        test = f"{dialogues} dialogues are too few for a verdict: it takes {FEWEST}."
    else:
        test = f"p by paired approximate randomisation over {dialogues} dialogues, two-sided."
    return f"{test} Interval by paired bootstrap. {SAMPLES:,} samples each."


def dialogues(ids: list[str], before, after, base: Revision, head: Revision, notes: list[str]):
    """The three dialogues that gained and the three that lost most, with their summaries."""
    changed = gains(before, after)
    order = np.argsort(-changed, kind="stable")
    gained = [i for i in order[:3] if changed[i] > 0]
    lost = [i for i in order[::-1][:3] if changed[i] < 0]
    if not gained and not lost:
        return []
    texts = [read_summaries(changes.stages(revision)) for revision in (base, head)]
    for revision, found in zip((base, head), texts, strict=True):
        if found is None:
            notes.append(f"The summaries of {code(str(revision))} are not on this machine.")
    lines = ["Corpus BLEU gained or lost by one dialogue's new summary alone:", ""]
    for i in [*gained, *lost]:
        lines.append(f"- {changed[i]:+.2f} {code(ids[i])}")
        for word, found in zip(("before", "after"), texts, strict=True):
            if found is not None:
                lines.append(f"  - {word}: {code(str(found.get(ids[i], '')))}")
    return folded("Dialogues that gained and lost most", lines)
