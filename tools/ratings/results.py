"""`metrics/ratings.json`: what people, and each judge, say of every system, and whether they agree.

A system's score is of three, as in published ratings: the mean over dialogues of how many of the
questions get a yes. People and judges are never mixed.
"""

from collections import Counter
from pathlib import Path
from statistics import fmean

import numpy as np

from stages.scoring.significance import compare_counts, mean
from tools.compare.content import md5
from tools.ratings.agreement import alpha
from tools.ratings.answers import JUDGE, QUESTIONS, Answer, Answers
from tools.ratings.items import Item, summary_file

METRICS = Path("metrics/ratings.json")
SAMPLES, SEED = 10_000, 42
Rated = dict[str, dict[str, dict[str, float | None]]]  # by system, dialogue and question


def results(items: list[Item], answers: Answers) -> dict:
    """All figures. Answers to items that are no more, as after a training, count as stale."""
    known = {item.id for item in items}
    stale = [key for key in answers if key[0] not in known]
    by_rater: dict[str, dict[str, Answer]] = {}
    for (item, rater), answer in sorted(answers.items()):
        if item in known:
            by_rater.setdefault(rater, {})[item] = answer
    people = {name: given for name, given in by_rater.items() if not name.startswith(JUDGE)}
    figures: dict = {"stale_answers": len(stale), "summaries": hashes(items)}
    if people:
        figures["people"] = of_raters(items, people)
    for name in sorted(by_rater.keys() - people.keys()):
        figures[name] = of_raters(items, {name: by_rater[name]})
        if people:
            figures[name] |= agreement_with(people, by_rater[name])
    return figures


def hashes(items: list[Item]) -> dict[str, str]:
    """What `dvc.lock` knows the rated summaries by."""
    systems = {system for item in items for _, system in item.of}
    files = {system: summary_file(system) for system in sorted(systems - {"reference"})}
    return {system: md5(file.read_bytes()) for system, file in files.items()}


def of_raters(items: list[Item], raters: dict[str, dict[str, Answer]]) -> dict:
    """Score, questions and agreement of some raters; figures of a system only if it was rated."""
    rated = rated_dialogues(items, raters)
    figures: dict = {
        "raters": len(raters),
        "items": len({item for given in raters.values() for item in given}),
    }
    if len(raters) > 1:
        figures |= {f"{name}_alpha": rounded(value) for name, value in alphas(raters).items()}
    figures |= {system: of_system(rows) for system, rows in rated.items()}
    if {"tuned", "base"} <= rated.keys():
        figures["tuned_minus_base"] = difference(rated["base"], rated["tuned"])
    return figures


def rated_dialogues(items: list[Item], raters: dict[str, dict[str, Answer]]) -> Rated:
    """The share of yes among the answers to each question; None where nobody answered it."""
    rated: Rated = {}
    for item in items:
        given = [answers[item.id] for answers in raters.values() if item.id in answers]
        if not given:
            continue
        shares = {}
        for name in QUESTIONS:
            values = [answer[name] for answer in given if answer[name] is not None]
            shares[name] = fmean(values) if values else None
        for dialogue, system in item.of:
            rated.setdefault(system, {})[dialogue] = shares
    return {system: rated[system] for system in sorted(rated)}


def points(rows: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """0 to 3 by dialogue, of those whose three questions are answered."""
    return {id_: sum(row.values()) for id_, row in rows.items() if None not in row.values()}


def of_system(rows: dict[str, dict[str, float | None]]) -> dict:
    """Score of three with its 95 % interval, and percent of yes to each question."""
    values = np.array(list(points(rows).values()))
    figures: dict = {"dialogues": len(values)}
    if len(values):
        figures["score"] = rounded(values.mean())
    if len(values) > 1:
        drawn = np.random.default_rng(SEED).integers(len(values), size=(SAMPLES, len(values)))
        low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
        figures |= {"score_low": rounded(low), "score_high": rounded(high)}
    for name in QUESTIONS:
        answered = [row[name] for row in rows.values() if row[name] is not None]
        figures[name] = rounded(100 * fmean(answered)) if answered else None
    return figures


def difference(before: dict, after: dict) -> dict:
    """Of the scores over the dialogues of both: the interval is paired, and p two-sided."""
    one, other = points(before), points(after)
    ids = [id_ for id_ in one if id_ in other]
    if len(ids) < 2:
        return {"dialogues": len(ids)}
    sides = (np.array([[side[id_], 1.0] for id_ in ids]) for side in (one, other))
    found = compare_counts(*sides, samples=SAMPLES, seed=SEED, score=mean)
    figures = {
        "score": found.after - found.before,
        "score_low": found.low,
        "score_high": found.high,
    }
    figures = {name: rounded(value) for name, value in figures.items()}
    return {"dialogues": len(ids), **figures, "p": rounded(found.p, 4)}


def alphas(raters: dict[str, dict[str, Answer]]) -> dict[str, float | None]:
    """Krippendorff's alpha of each question."""
    items = {item for given in raters.values() for item in given}
    return {
        name: alpha(
            [given[item][name] if item in given else None for given in raters.values()]
            for item in items
        )
        for name in QUESTIONS
    }


def agreement_with(people: dict[str, dict[str, Answer]], judge: dict[str, Answer]) -> dict:
    """A judge beside the majority of the people: how often they say the same, in percent, and alpha.

    Where people are divided evenly there is no majority, and the item is left out.
    """
    majority = majority_of(people)
    figures: dict = {}
    for name in QUESTIONS:
        pairs = [
            (answer[name], majority[item][name])
            for item, answer in judge.items()
            if item in majority and None not in (answer[name], majority[item][name])
        ]
        same = [one == other for one, other in pairs]
        figures[f"{name}_with_people"] = {
            "items": len(pairs),
            "same": rounded(100 * fmean(same)) if same else None,
            "alpha": rounded(alpha(pairs)),
        }
    return figures


def majority_of(people: dict[str, dict[str, Answer]]) -> dict[str, Answer]:
    items = sorted({item for given in people.values() for item in given})
    found = {}
    for item in items:
        given = [answers[item] for answers in people.values() if item in answers]
        found[item] = {}
        for name in QUESTIONS:
            votes = Counter(answer[name] for answer in given)
            yes, no = votes[True], votes[False]
            found[item][name] = None if yes == no else yes > no
    return found


def rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(float(value), digits)
