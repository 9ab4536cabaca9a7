"""The BLEU section of the comment: every system whose summaries differ, and its dialogues."""

import numpy as np

from stages.scoring.bleu import corpus_bleu
from tools.compare import changes
from tools.compare.markdown import code, folded, table
from tools.compare.revision import Revision
from tools.compare.significance import (
    FEWEST,
    Difference,
    compare_counts,
    gains,
    read_counts,
)
from tools.compare.summaries import read_summaries

SAMPLES = 10_000


def bleu_section(base: Revision, head: Revision, notes: list[str]) -> list[str]:
    """BLEU of each system whose counts differ, and the dialogues behind the tuned model's."""
    old, new = read_counts(base), read_counts(head)
    for revision, counts in ((base, old), (head, new)):
        if not counts:
            notes.append(f"{code(str(revision))} has no metrics yet: there is nothing to compare.")
    if not old and "tuned" in new:
        first = corpus_bleu(np.array(list(new["tuned"].values())))
        return ["### BLEU", "", f"**Tuned model: {first:.1f}**, the first score."]
    pairs, sizes = {}, set()
    for system in [name for name in new if name in old]:
        ids = [id_ for id_ in new[system] if id_ in old[system]]
        if len(ids) < max(len(new[system]), len(old[system])):
            sizes.add((len(old[system]), len(new[system]), len(ids)))
        before, after = (np.array([side[system][id_] for id_ in ids]) for side in (old, new))
        if len(ids) > 1 and (before != after).any():
            pairs[system] = ids, before, after
    for before, after, common in sizes:
        said = f"The test splits differ: {before} dialogues before, {after} after"
        rest = "BLEU is compared over these" if common > 1 else "no paired test is possible"
        notes.append(f"{said}, {common} in both; {rest}.")
    if not pairs:
        return []
    tested = {
        name: compare_counts(before, after, SAMPLES) for name, (_, before, after) in pairs.items()
    }
    count = len(next(iter(pairs.values()))[0])
    lines = ["### BLEU", "", headline(tested.get("tuned")), ""]
    lines += table(
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
    lines += ["", method(count)]
    if "tuned" in pairs:
        lines += ["", *dialogues(*pairs["tuned"], base, head, notes)]
    return lines


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
    return (
        f"{test} Interval by paired bootstrap. {SAMPLES:,} samples each. One training a side: how "
        "much another seed would change is not in it."
    )


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
