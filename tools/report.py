"""What people look at, made of the pipeline's last results: `make report` runs it.

    python -m tools.report

Draws each plot of `dvc.yaml` as a PNG beside its table in `metrics/plots`, writes the first ten
summaries of the test split to `metrics/examples.md`, sets the results table in `README.md`, and has
DVC write `dvc_plots/index.html`, a page with every plot to zoom in.
"""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl

from stages.common.atomic_io import atomic_write, need, read_jsonl
from stages.common.cli import UserError, run
from tools.compare.markdown import code
from tools.pictures import PLOTS, draw

METRICS = Path("metrics")
EXAMPLES = METRICS / "examples.md"
README = Path("README.md")
PAGE = Path("dvc_plots/index.html")
TABLE = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.DOTALL)
SYSTEMS = {
    "tuned": "**Tuned**",
    "base": "Untuned base",
    "first_two_turns": "First two turns",
    "constant": "Constant sentence",
    "references": "References",
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
        "| | BLEU | 95 % interval | BLEU, first reference | chrF | ROUGE-1 / 2 / L | held: numbers / names / roles |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for key, name in SYSTEMS.items():
        s = score[key]
        if "bleu" not in s:
            rows.append(f"| {name} | | | | | | {held(s)} |")
            continue
        rouge = " / ".join(f"{s[k]:.1f}" for k in ("rouge_1", "rouge_2", "rouge_l"))
        rows.append(
            f"| {name} | {s['bleu']:.1f} | {s['bleu_low']:.1f} to {s['bleu_high']:.1f}"
            f" | {s['bleu_first_reference']:.1f} | {s['chrf']:.1f} | {rouge} | {held(s)} |"
        )
    signature = f"`{score['bleu_signature']}`, {score['dialogues']} dialogues"
    return "\n".join([*rows, "", f"sacrebleu signature: {signature}", ""])


def held(score: dict) -> str:
    """Percent of a system's numbers, names and roles that the conversations hold."""
    values = (score[f"{kind}_precision"] for kind in ("number", "name", "role"))
    return " / ".join("–" if value is None else f"{value:.0f}" for value in values)


def examples(count: int = 10) -> str:
    """The first conversations of the test split with what people and models made of them."""
    hint = "run `dvc repro` or `dvc pull`"
    rows = pl.read_parquet(need("data/clean/test.parquet", hint))
    made = {
        (row["model"], row["id"]): marked(row["summary"], row["unsupported"])
        for row in read_jsonl(need("data/unsupported.jsonl", hint))
    }
    note = "Not chosen: in its order. Underlined: what the conversation does not hold."
    parts = [f"# The first {count} summaries of the test split", "", note]
    for row in rows.head(count).iter_rows(named=True):
        turns = [
            f"> **{html.escape(t['speaker'] or 'text')}**: {html.escape(t['text'])}"
            for t in row["turns"]
        ]
        parts += ["", f"## {code(row['id'])}", "", "  \n".join(turns), ""]
        parts += [f"- Reference: {shown(reference)}" for reference in row["references"]]
        parts += [f"- **Tuned: {made['tuned', row['id']]}**"]
        parts += [f"- Untuned base: {made['base', row['id']]}"]
    return "\n".join(parts) + "\n"


def marked(summary: str, spans: list[dict]) -> str:
    """A summary whose unsupported spans, in their order, are underlined."""
    out, at = [], 0
    for span in spans:
        start, end = span["start"], span["end"]
        out += [shown(summary[at:start]), f"<ins>{shown(summary[start:end])}</ins>"]
        at = end
    return "".join([*out, shown(summary[at:])])


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


if __name__ == "__main__":
    run(main)
