"""What people look at, made of the pipeline's last results: `make report` runs it.

    python -m tools.report

Draws each plot of `dvc.yaml` as a PNG beside its table in `metrics/plots`, writes the first ten
summaries of the test split to `metrics/examples.md`, sets the results table in `README.md`, and has
DVC write `dvc_plots/index.html`, a page with every plot to zoom in.
"""

import csv
import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from stages.common.atomic_io import atomic_write, need, read_jsonl
from stages.common.cli import UserError, run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = Path("metrics")
PLOTS = METRICS / "plots"
EXAMPLES = METRICS / "examples.md"
README = Path("README.md")
PAGE = Path("dvc_plots/index.html")
TABLE = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.DOTALL)
SYSTEMS = {
    "tuned": "**Tuned**",
    "base": "Untuned base",
    "first_two_turns": "First two turns",
    "constant": "Constant sentence",
}


def main() -> None:
    score = json.loads(need(METRICS / "score.json", "run `make repro` first").read_text("utf-8"))
    draw()
    write(EXAMPLES, examples())
    readme = README.read_text(encoding="utf-8")
    if not TABLE.search(readme):
        raise UserError(f"{README} has no <!-- results --> … <!-- /results --> to fill")
    write(README, TABLE.sub(lambda match: match[1] + table(score) + match[2], readme))
    show()
    print(f"report: pictures in {PLOTS}, {EXAMPLES} the table in {README}, {PAGE}")


def write(path: Path, text: str) -> None:
    with atomic_write(path) as aside:
        aside.write_text(text, encoding="utf-8")


def table(score: dict) -> str:
    """The results as Markdown, a row a system."""
    rows = [
        "| | BLEU | 95 % interval | BLEU, first reference | chrF | ROUGE-1 / 2 / L |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for key, name in SYSTEMS.items():
        s = score[key]
        rouge = " / ".join(f"{s[k]:.1f}" for k in ("rouge_1", "rouge_2", "rouge_l"))
        rows.append(
            f"| {name} | {s['bleu']:.1f} | {s['bleu_low']:.1f} to {s['bleu_high']:.1f}"
            f" | {s['bleu_first_reference']:.1f} | {s['chrf']:.1f} | {rouge} |"
        )
    signature = f"`{score['bleu_signature']}`, {score['dialogues']} dialogues"
    return "\n".join([*rows, "", f"sacrebleu signature: {signature}", ""])


def examples(count: int = 10) -> str:
    """The first conversations of the test split with what people and models made of them."""
    rows = pl.read_parquet(need("data/clean/test.parquet", "run `dvc repro` or `dvc pull`"))
    made = {
        name: {
            row["id"]: row["summary"]
            for row in read_jsonl(need(f"data/summaries/{name}.jsonl", "run `dvc repro` first"))
        }
        for name in ("tuned", "base")
    }
    parts = [f"# The first {count} summaries of the test split", "", "Not chosen: in its order."]
    for row in rows.head(count).iter_rows(named=True):
        turns = [
            f"> **{html.escape(t['speaker'] or 'text')}**: {html.escape(t['text'])}"
            for t in row["turns"]
        ]
        name = html.escape(row["id"]).replace("`", "'")  # a backtick would end the code
        parts += ["", f"## `{name}`", "", "  \n".join(turns), ""]
        parts += [f"- Reference: {shown(reference)}" for reference in row["references"]]
        parts += [f"- **Tuned: {shown(made['tuned'][row['id']])}**"]
        parts += [f"- Untuned base: {shown(made['base'][row['id']])}"]
    return "\n".join(parts) + "\n"


def shown(text: str) -> str:
    """A summary in an item of a list, with its lines."""
    return html.escape(text).replace("\n", "<br>")


def show() -> None:
    """DVC's page of plots, in which no id of a dialogue can end the script it stands in."""
    command = [sys.executable, "-m", "dvc", "plots", "show", "--quiet", "--out", str(PAGE.parent)]
    if subprocess.run(command, check=False).returncode:
        raise UserError("`dvc plots show` failed: its reason stands above")
    page = PAGE.read_text(encoding="utf-8")
    # A plot is a line of JSON, where < may as well be written by its number.
    escaped = re.sub(r"(?m)^ *var spec = .*$", lambda m: m[0].replace("<", "\\u003c"), page)
    write(PAGE, escaped)


def draw() -> None:
    """The plots of `dvc.yaml` as pictures: `loss.png`, `bleu_by_length.png` and so on."""
    with picture("loss", "Loss", "step") as axes:
        for name, style in (("train", "-"), ("validation", "o-")):
            curve = read_columns(PLOTS / f"{name}_loss.csv")
            axes.plot(curve["step"], curve["loss"], style, label=name)
    lengths, unit = read_lengths(PLOTS / "bleu_by_length.csv")
    with picture("bleu_by_length", "BLEU by length", f"{unit} in the conversation") as axes:
        sizes = lengths.pop("length")
        for name, scores in lengths.items():
            axes.plot(sizes, scores, "o-", label=name.replace("_", " "))
    lengths, unit = read_lengths(PLOTS / "summary_length.csv")
    title = f"{unit.capitalize()} in the summary"
    with picture("summary_length", title, f"{unit} in the references") as axes:
        wanted = lengths.pop("reference")
        for name, made in lengths.items():
            axes.plot(wanted, made, "o", alpha=0.6, label=name)
        axes.axline((wanted[0], wanted[0]), slope=1, color="grey", linewidth=0.8, label="as long")
    if trials := read_trials(METRICS / "sweep.csv"):
        with picture("sweep", "Sweep: validation loss", "trial") as axes:
            axes.plot(trials["trial"], trials["validation_loss"], "o", label="trial")
            axes.plot(trials["trial"], trials["best"], "-", label="best so far")


@contextmanager
def picture(name: str, title: str, x_label: str) -> Iterator["Axes"]:
    """Axes to draw on; saved as `metrics/plots/{name}.png`, the same bytes for the same data."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    yield axes
    axes.set(title=title, xlabel=x_label, ylim=(0, None))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(PLOTS / f"{name}.png") as aside:
        figure.savefig(aside, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def read_columns(path: Path) -> dict[str, list[float]]:
    rows = read_rows(path)
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def read_lengths(path: Path) -> tuple[dict[str, list[float]], str]:
    """The columns of a table of lengths, and their unit: words or characters."""
    rows = read_rows(path)
    return {k: [float(row[k]) for row in rows] for k in rows[0] if k != "unit"}, rows[0]["unit"]


def read_rows(path: Path) -> list[dict[str, str]]:
    with open(need(path, "run `make repro` first"), encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_trials(path: Path) -> dict[str, list[float]]:
    """Number, loss and best loss so far of a sweep's trials; empty where there was no sweep."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8") as file:
        # A trial that failed before its first evaluation has no loss.
        rows = [row for row in csv.DictReader(file) if row["validation_loss"] and row["best"]]
    names = ("trial", "validation_loss", "best")
    return {name: [float(row[name]) for row in rows] for name in names} if rows else {}


if __name__ == "__main__":
    run(main)
