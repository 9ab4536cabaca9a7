"""Scores equal sacrebleu's and can be recomputed from the table in Git."""

import csv
import json
import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from stages import score as stage
from stages.common.atomic_io import read_jsonl
from stages.scoring.bleu import STATISTICS, bootstrap, corpus_bleu, statistics
from stages.scoring.metric import CorpusBleu
from tests.helpers.data import project, python

words = st.lists(
    st.sampled_from(["the", "customer", "agent", "asks", "DM", "late", "refund", ".", ",", "!"]),
    max_size=12,
)
texts = words.map(" ".join)
pairs = st.tuples(texts, st.lists(texts.filter(bool), min_size=1, max_size=3))


def sacrebleu_score(hypotheses, references) -> float:
    width = max(map(len, references))
    streams = [[r[k] if k < len(r) else None for r in references] for k in range(width)]
    return BLEU().corpus_score(hypotheses, streams).score


@given(st.lists(pairs, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_corpus_bleu_from_statistics_equals_sacrebleu(rows):
    hypotheses, references = [h for h, _ in rows], [r for _, r in rows]
    counts = statistics(hypotheses, references)
    assert counts.shape == (len(rows), len(STATISTICS))
    assert corpus_bleu(counts) == pytest.approx(sacrebleu_score(hypotheses, references), abs=1e-9)


def test_metric_works_offline_with_unequal_references():
    hypotheses = ["Customer is late .", "Agent asks for a DM ."]
    references = [["Customer is very late ."], ["Agent asks for a DM .", "Agent wants a DM ."]]
    result = CorpusBleu().compute(predictions=hypotheses, references=references)
    assert result["bleu"] == pytest.approx(sacrebleu_score(hypotheses, references))
    assert "nrefs:var" in result["signature"] and "case:mixed" in result["signature"]


def test_interval_contains_the_score_and_narrows_with_more_dialogues():
    rng = np.random.default_rng(0)
    vocabulary = [f"w{i}" for i in range(8)]
    references = [[" ".join(rng.choice(vocabulary, 12))] for _ in range(200)]
    hypotheses = [refs[0][: rng.integers(12, 30)] for refs in references]
    counts = statistics(hypotheses, references)
    low, high = bootstrap(counts, 300, seed=1)
    assert low < corpus_bleu(counts) < high
    few = bootstrap(counts[:30], 300, seed=1)
    assert high - low < few[1] - few[0]
    assert (low, high) == bootstrap(counts, 300, seed=1)


def test_score_json_agrees_with_the_table_and_the_texts(reproduced):
    root = reproduced.root
    score = json.loads((root / "metrics/score.json").read_text())
    with open(root / "metrics/dialogues.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for system in ("tuned", "base", "first_two_turns", "constant"):
        counts = [[int(r[name]) for name in STATISTICS] for r in rows if r["system"] == system]
        assert len(counts) == score["dialogues"] == 5
        assert corpus_bleu(np.array(counts)) == pytest.approx(score[system]["bleu"], abs=1e-3)
        figures = score[system]
        assert figures["bleu_low"] <= figures["bleu_high"]
        assert {
            "bleu_first_reference",
            "chrf",
            "rouge_1",
            "rouge_2",
            "rouge_l",
            "length_ratio",
        } <= set(figures)
    assert "nrefs:2" in score["bleu_signature"]


def test_summaries_of_other_dialogues_are_refused(reproduced):
    path = reproduced.root / "data/summaries/tuned.jsonl"
    text = path.read_text()
    path.unlink()
    try:
        path.write_text("\n".join(text.splitlines()[:-1]) + "\n")
        done = reproduced.python("-m", "stages.score", check=False)
    finally:
        path.unlink()
        path.write_text(text)
    assert done.returncode == 1
    assert "tuned.jsonl does not match the dialogues" in done.stderr
    assert "Traceback" not in done.stderr


def write_texts(references: list[list[str]], summaries: list[str]) -> None:
    """Write a test split of `data/clean`, and the same summaries for both models."""
    rows = [
        {"id": f"d{i}", "turns": [{"speaker": "customer", "text": texts[0]}], "references": texts}
        for i, texts in enumerate(references)
    ]
    os.makedirs("data/clean")
    os.makedirs("data/summaries")
    pl.DataFrame(rows).write_parquet("data/clean/test.parquet")
    for name in ("tuned", "base"):
        with open(f"data/summaries/{name}.jsonl", "w", encoding="utf-8") as out:
            out.writelines(
                json.dumps({"id": f"d{i}", "summary": text}) + "\n"
                for i, text in enumerate(summaries)
            )


def table(path: str) -> list[dict]:
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_chinese_is_scored_and_measured_in_characters(tmp_path, monkeypatch, capsys):
    project(tmp_path, monkeypatch, {"score.bootstrap_samples": 100})
    references = [[f"客户反映水壶{i}漏水，客服要求发照片。"] for i in range(101, 113)]
    write_texts(references, [texts[0] for texts in references])
    stage.main()
    written = json.loads((tmp_path / "metrics/score.json").read_text())
    tuned = written["tuned"]
    assert [tuned[k] for k in ("bleu", "chrf", "rouge_1", "rouge_2", "rouge_l")] == [100] * 5
    assert "tok:zh" in written["bleu_signature"] and written["rouge_words"] == "zh"
    assert "tokenizer zh (Chinese)" in capsys.readouterr().out
    assert {row["unit"] for row in table("metrics/plots/bleu_by_length.csv")} == {"characters"}
    assert table("metrics/plots/summary_length.csv")[0] == {
        "unit": "characters", "reference": "20.0", "tuned": "20", "base": "20",
    }  # fmt: skip
    counts = [
        [int(row[k]) for k in STATISTICS]
        for row in table("metrics/dialogues.csv")
        if row["system"] == "tuned"
    ]
    assert corpus_bleu(np.array(counts)) == pytest.approx(100)


def test_what_the_conversation_does_not_hold_is_listed_beside_the_summary(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, {"score.bootstrap_samples": 100})
    references = [[f"Customer is late by {i} days .", "Customer is late ."] for i in range(3, 7)]
    summaries = ["Customer is late by 3 days .", "Customer\nis late by 99 days .", "", "Late ."]
    write_texts(references, summaries)
    stage.main()
    score = json.loads((tmp_path / "metrics/score.json").read_text())
    assert score["references"]["number_precision"] == 100
    assert score["tuned"]["number_precision"] == 50  # of the two summaries that have a number
    assert score["constant"]["number_precision"] is None
    assert score["tuned"]["role_precision"] is None  # there is one speaker
    rows = [row for row in table("metrics/dialogues.csv") if row["system"] == "tuned"]
    assert [row["number_precision"] for row in rows] == ["100.0000", "0.0000", "", ""]
    assert [row["coverage"] == "" for row in rows] == [False, False, True, False]
    listed = read_jsonl("data/unsupported.jsonl")
    assert [(row["id"], row["model"]) for row in listed[:3]] == [
        ("d0", "tuned"), ("d0", "base"), ("d1", "tuned"),
    ]  # fmt: skip
    assert listed[0]["unsupported"] == []
    assert listed[2]["summary"] == summaries[1]
    assert listed[2]["unsupported"] == [{"start": 20, "end": 22, "kind": "number", "text": "99"}]


def test_line_breaks_do_not_change_a_score(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, {"score.bootstrap_samples": 100})
    reference = "Issue: the kettle leaks-\nAction: send that photo\nNext: call"
    write_texts([[reference]] * 4, [reference.replace("\n", " ")] * 4)
    stage.main()
    tuned = json.loads((tmp_path / "metrics/score.json").read_text())["tuned"]
    assert (tuned["bleu"], tuned["rouge_l"]) == (100, 100)


def test_score_needs_no_writable_home(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, {"score.bootstrap_samples": 100})
    write_texts([["Customer is very late today ."]] * 4, ["Customer is late today ."] * 4)
    (tmp_path / "home").write_text("a file, in which no folder can be made")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = python("-m", "stages.score", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "metrics/score.json").exists()
