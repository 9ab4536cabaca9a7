"""The pictures and tables of the report agree with the metrics, and texts are escaped."""

import json

import polars as pl

from stages.score import MODELS
from tests.helpers.project import ROOT
from tools.report import TABLE, examples, held, table


def test_report_draws_tables_and_escapes_texts(reproduced):
    root = reproduced.root
    (root / "README.md").write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    summaries = root / "data/unsupported.jsonl"
    dialogues = root / "metrics/dialogues.csv"
    counts = dialogues.read_text()
    sweep = root / "metrics/sweep.csv"
    trials = sweep.read_text() if sweep.exists() else ""
    text = summaries.read_text()
    evil = {"summary": "<script>x</script> & more", "unsupported": [{"start": 8, "end": 20}]}
    rows = [json.loads(line) | evil for line in text.splitlines()]
    summaries.unlink()
    try:
        summaries.write_text("".join(json.dumps(row) + "\n" for row in rows))
        *head, last = counts.splitlines()
        line = "</script><script>alert(1)</script>" + last[last.index(",") :]
        dialogues.write_text("\n".join([*head, last, line]) + "\n")
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
    assert "<script>" not in examples
    assert "**Tuned: &lt;script&gt;<ins>x&lt;/script&gt; &amp;</ins> more**" in examples
    names = ["bleu_by_length", "faithfulness", "loss", "summary_length", "sweep"]
    assert heads == dict.fromkeys(names, b"\x89PNG")
    assert f"| {held(score['tuned'])} |" in readme


def test_a_measure_that_is_not_defined_has_a_dash():
    assert (
        held({"number_precision": None, "name_precision": 0.0, "role_precision": 99.6})
        == "– / 0 / 100"
    )


def test_readme_shows_the_committed_metrics():
    score = json.loads((ROOT / "metrics/score.json").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert TABLE.search(readme)[0] == f"<!-- results -->\n{table(score)}<!-- /results -->"


def test_the_name_of_a_conversation_is_read_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = {"id": "a 'quoted' & `b`", "turns": [{"speaker": None, "text": "hm"}], "references": []}
    (tmp_path / "data/clean").mkdir(parents=True)
    pl.DataFrame([row]).write_parquet("data/clean/test.parquet")
    made = [{"id": row["id"], "model": m, "summary": "", "unsupported": []} for m in MODELS]
    (tmp_path / "data/unsupported.jsonl").write_text("".join(json.dumps(m) + "\n" for m in made))
    assert "## `` a 'quoted' & `b` ``" in examples()
