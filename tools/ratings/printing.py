"""The figures of `metrics/ratings.json` as lines for the console."""

from tools.ratings.answers import QUESTIONS
from tools.ratings.items import SYSTEMS


def lines(figures: dict) -> list[str]:
    """A table for the people and one for each judge, and what is not counted."""
    shown = []
    if stale := figures["stale_answers"]:
        shown.append(
            f"ratings: {stale} answers are to summaries that have changed since: not counted"
        )
    for name, one in figures.items():
        if isinstance(one, dict) and "items" in one:
            shown += ["", *of_raters(name, one)]
    return shown


def of_raters(name: str, figures: dict) -> list[str]:
    raters = "1 rater" if figures["raters"] == 1 else f"{figures['raters']} raters"
    shown = [f"{name}: {raters}, {figures['items']} items"]
    shown.append(f"{'':>16} dialogues  score of 3  95 % interval  customer  agent  two sentences")
    for system in [one for one in SYSTEMS if one in figures]:
        s = figures[system]
        questions = [percent(s[name]) for name in QUESTIONS]
        shown.append(
            f"{system:>16} {s['dialogues']:9}  {number(s.get('score')):>10}"
            f"  {interval(s):>13}  {questions[0]:>8}  {questions[1]:>5}  {questions[2]:>13}"
        )
    if gap := figures.get("tuned_minus_base"):
        p = "too few dialogues for a verdict" if gap.get("p") is None else f"p = {gap['p']:.2g}"
        shown.append(
            f"{'tuned - base':>16} {gap['dialogues']:9}  {number(gap.get('score')):>10}"
            f"  {interval(gap):>13}  {p}"
        )
    if f"{next(iter(QUESTIONS))}_alpha" in figures:
        values = (figures[f"{name}_alpha"] for name in QUESTIONS)
        shown.append(f"  Krippendorff's alpha: {beside_questions(values)}")
    for key in ("same", "alpha"):
        found = [figures.get(f"{name}_with_people") for name in QUESTIONS]
        if None not in found:
            title = "the same as most people, %" if key == "same" else "alpha with most people"
            shown.append(f"  {title}: {beside_questions(one[key] for one in found)}")
    return shown


def beside_questions(values) -> str:
    pairs = zip(QUESTIONS, values, strict=True)
    return ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in pairs)


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"


def interval(figures: dict) -> str:
    if "score_low" not in figures:
        return "-"
    return f"{figures['score_low']:.2f} to {figures['score_high']:.2f}"
