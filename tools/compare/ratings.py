"""The ratings section of the comment: what people and judges said of the systems, before and after."""

import json

from tools.compare import changes
from tools.compare.markdown import code, table
from tools.compare.revision import Revision

PATH = "metrics/ratings.json"


def ratings_section(base: Revision, head: Revision, notes: list[str]) -> list[str]:
    """A row a system and rater whose figures differ; nothing where nobody has rated."""
    old, new = (changes.parse(revision, PATH, json.loads) for revision in (base, head))
    for revision, ratings in ((base, old), (head, new)):
        if changed := other_summaries(revision, ratings):
            notes.append(
                f"Ratings of {code(str(revision))} are of other summaries than it has, by"
                f" {', '.join(map(code, changed))}: `python -m tools.ratings score` counts anew."
            )
    before, after = figures(old), figures(new)
    rows = [
        [code(rater), code(system), shown(before.get((rater, system))), shown(found)]
        for (rater, system), found in after.items()
        if found != before.get((rater, system))
    ]
    if not rows:
        return []
    lines = table(["rated by", "system", "before", "after"], rows)
    explained = "Yes to three questions: a score of three, its 95 % interval over dialogues, and their number."
    return ["### Ratings", "", *lines, "", explained]


def figures(ratings: dict) -> dict[tuple[str, str], dict]:
    """By rater and system."""
    return {
        (rater, system): found
        for rater, one in ratings.items()
        if isinstance(one, dict)
        for system, found in one.items()
        if isinstance(found, dict) and "score" in found
    }


def shown(found: dict | None) -> str:
    if found is None:
        return ""
    interval = ""
    if "score_low" in found:
        interval = f" ({found['score_low']:.2f} to {found['score_high']:.2f})"
    return f"{found['score']:.2f}{interval}, {found['dialogues']}"


def other_summaries(revision: Revision, ratings: dict) -> list[str]:
    """Systems whose summaries, as dvc.lock has them, are not those that were rated."""
    rated = ratings.get("summaries", {})
    outs = {
        out["path"]: out.get("md5")
        for stage in changes.stages(revision).values()
        for out in stage.get("outs") or []
    }
    paths = {system: f"data/summaries/{system}.jsonl" for system in rated}
    return [name for name, path in paths.items() if outs.get(path) not in (None, rated[name])]
