"""The sections of the comment on metrics, params and stages."""

from tools.compare import changes
from tools.compare.markdown import code, folded, row_line, table, value
from tools.compare.one_test import TEST_SPLIT, other_bleu, other_data, other_references
from tools.compare.revision import Revision


def metrics_section(base: Revision, head: Revision, notes: list[str]) -> list[str]:
    old, new = changes.metrics(base), changes.metrics(head)
    rows = changes.difference(old, new)
    if other_bleu(base, head):
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
    if other_references(base, head):
        notes.append(f"`{TEST_SPLIT}` differs: the two scores are not of the same test.")
    elif other_data(base, head):
        notes.append(f"`{TEST_SPLIT}` differs in its conversations, and not in its references.")
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
