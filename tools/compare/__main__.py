"""What a change did to the metrics, as the Markdown comment of its pull request.

    python -m tools.compare main            # the working tree against main
    python -m tools.compare main my-branch  # two commits

Reads Git alone: neither DVC's cache nor a remote nor history is needed. Run from the project's
folder. What it cannot see, it says.
"""

import argparse

import numpy as np

from stages.common.cli import run
from stages.scoring.bleu import corpus_bleu
from tools.compare import changes
from tools.compare.markdown import code, folded, row_line, table, value
from tools.compare.revision import Revision, commit, working_tree
from tools.compare.significance import Difference, gains, paired_bootstrap, read_counts
from tools.compare.summaries import read_summaries

SAMPLES = 10_000
TEST_SPLIT = "data/clean/test.parquet"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.compare", description=__doc__.splitlines()[0]
    )
    parser.add_argument("base", help="branch, tag or commit to compare with")
    parser.add_argument("head", nargs="?", help="another one; left out: the working tree")
    args = parser.parse_args()
    base = commit(args.base)
    print(comment(base, commit(args.head) if args.head else working_tree()))


def comment(base: Revision, head: Revision) -> str:
    """The whole comment."""
    notes = []
    sections = [
        bleu_section(base, head, notes),
        metrics_section(base, head, notes),
        params_section(base, head),
        stages_section(base, head, notes),
    ]
    lines = ["## What this changes", "", f"From {code(str(base))} to {code(str(head))}."]
    if not any(sections):
        lines += ["", "No change: metrics, params and stages are the same."]
    for section in sections:
        lines += ["", *section] if section else []
    if notes:
        lines += ["", "### Not seen", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines)


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
        name: paired_bootstrap(before, after, SAMPLES) for name, (_, before, after) in pairs.items()
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
                f"{d.p:.4f}",
                d.verdict,
            ]
            for name, d in tested.items()
        ],
    )
    lines += ["", f"Paired bootstrap over {count} dialogues, {SAMPLES:,} resamples."]
    if "tuned" in pairs:
        lines += ["", *dialogues(*pairs["tuned"], base, head, notes)]
    return lines


def headline(tuned: Difference | None) -> str:
    if tuned is None:
        return "**The tuned model scores as before.**"
    way = f"{tuned.before:.1f} → {tuned.after:.1f}"
    return f"**Tuned model: {way}, {tuned.verdict}** (p = {tuned.p:.2g})"


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


def metrics_section(base: Revision, head: Revision, notes: list[str]) -> list[str]:
    old, new = changes.metrics(base), changes.metrics(head)
    rows = changes.difference(old, new)
    signature = "score.bleu_signature"
    if signature in old and signature in new and old[signature] != new[signature]:
        notes.append("BLEU's signature differs: the two scores are not of one kind.")
    if not rows:
        return []
    header = ["metric", "before", "after", "difference"]
    lines = table(header, [[code(key), value(a), value(b), gap(a, b)] for key, a, b in rows])
    return ["### Metrics", "", *folded(f"{len(rows)} of {len(new | old)} differ", lines)]


def gap(before: object, after: object) -> str:
    numbers = all(type(side) in (int, float) for side in (before, after))
    return f"{after - before:+.4g}" if numbers else ""


def params_section(base: Revision, head: Revision) -> list[str]:
    rows = changes.difference(changes.params(base), changes.params(head))
    if not rows:
        return []
    shown = [[code(key), value(before), value(after)] for key, before, after in rows]
    return ["### Params", "", *table(["param", "before", "after"], shown)]


def stages_section(base: Revision, head: Revision, notes: list[str]) -> list[str]:
    """Stages whose last run differs, each with the reason."""
    old, new = changes.stages(base), changes.stages(head)
    for revision, locked in ((base, old), (head, new)):
        late = changes.stale(revision)
        if not locked:
            notes.append(f"{code(str(revision))} has no dvc.lock: its stages were never run.")
        if late:
            named = ", ".join(map(code, late))
            notes.append(
                f"Metrics of {code(str(revision))} are older than its params or code: {named} did "
                "not run since. `dvc repro` runs it."
            )
    changed = changes.stage_changes(old, new) if old and new else {}
    if any(TEST_SPLIT in stage.get("deps", ()) for stage in changed.values()):
        notes.append(f"`{TEST_SPLIT}` differs: the two scores are not of the same test.")
    if not changed:
        return []
    made_by = changes.producers(old) | changes.producers(new)
    for name, stage in changed.items():
        deps = stage.get("deps", ())
        stage["files"] = {dep: changes.dep_files(base, head, dep, name) for dep in deps}
    rows = [[code(name), reason(stage, made_by)] for name, stage in changed.items()]
    return ["### Stages", "", "| stage | why |", "|---|---|", *map(row_line, rows)]


def reason(stage: dict, made_by: dict[str, str]) -> str:
    """Why a stage ran: its own command and params first, then what it reads."""
    said = [stage["note"]] if stage["note"] else []
    if stage.get("params"):
        said.append("params " + ", ".join(map(code, stage["params"])))
    for dep in stage.get("deps", ()):
        owners = [name for out, name in made_by.items() if f"{dep}/".startswith(f"{out}/")]
        files = ", ".join(map(code, stage["files"][dep]))
        said.append(
            f"dep {code(dep)}"
            + (f" ({files})" if files else "")
            + (f" of {code(owners[0])}" if owners else "")
        )
    if not said:
        return "nothing it reads: another machine, or a run that cannot be repeated exactly"
    if "outs" in stage and not stage["outs"]:
        said.append("with the same outputs")
    return "; ".join(said)


if __name__ == "__main__":
    run(main)
