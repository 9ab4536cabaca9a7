"""The pictures and tables of the report agree with the metrics, and texts are escaped."""

import json

from tests.helpers.project import ROOT
from tools.report import TABLE, table


def test_report_draws_tables_and_escapes_texts(reproduced):
    root = reproduced.root
    (root / "README.md").write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    summaries = root / "data/summaries/tuned.jsonl"
    dialogues = root / "metrics/dialogues.csv"
    counts = dialogues.read_text()
    sweep = root / "metrics/sweep.csv"
    trials = sweep.read_text() if sweep.exists() else ""
    text = summaries.read_text()
    rows = [json.loads(line) | {"summary": "<script>x</script>"} for line in text.splitlines()]
    summaries.unlink()
    try:
        summaries.write_text("".join(json.dumps(row) + "\n" for row in rows))
        *head, last = counts.splitlines()
        evil = "</script><script>alert(1)</script>" + last[last.index(",") :]
        dialogues.write_text("\n".join([*head, last, evil]) + "\n")
        sweep.write_text(
            "trial,experiment,state,validation_loss,best,seconds\n0,a-0,fail,,,1\n1,a-1,complete,2.5,2.5,9\n"
        )
        reproduced.python("-m", "tools.report")
        page = (root / "dvc_plots/index.html").read_text()
        readme = (root / "README.md").read_text()
        examples = (root / "metrics/examples.md").read_text()
        pictures = sorted((root / "metrics/plots").glob("*.png"))
        heads = {picture.stem: picture.read_bytes()[:4] for picture in pictures}
    finally:
        dialogues.write_text(counts)
        summaries.unlink()
        summaries.write_text(text)
        sweep.write_text(trials) if trials else sweep.unlink()
        reproduced.run("git", "clean", "-fdq", "README.md", "metrics")
    assert readme.startswith("before\n") and readme.endswith("after\n") and "old" not in readme
    score = json.loads((root / "metrics/score.json").read_text())
    assert f"| **Tuned** | {score['tuned']['bleu']:.1f} |" in readme
    assert "alert(1)" in page and "<script>alert" not in page and "</script><script>" not in page
    assert "<script>" not in examples and "&lt;script&gt;" in examples
    assert heads == dict.fromkeys(["bleu_by_length", "loss", "summary_length", "sweep"], b"\x89PNG")


def test_readme_shows_the_committed_metrics():
    score = json.loads((ROOT / "metrics/score.json").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert TABLE.search(readme)[0] == f"<!-- results -->\n{table(score)}<!-- /results -->"
