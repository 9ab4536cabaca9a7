"""New conversations go the way the training data went."""

import json

import polars as pl
import pytest

from stages.common.params import Params
from tests.conftest import tiny_params
from tools.summarize import parse_turns, prompts_of


def test_prompt_is_the_one_training_saw(reproduced):
    root = reproduced.root
    lines = (root / "corpus/test.jsonl").read_text().splitlines()
    rows = [
        {"turns": [{"speaker": t["who"], "text": t["said"]} for t in json.loads(line)["turns"]]}
        for line in lines
    ]
    prompts = prompts_of(rows, Params.model_validate(tiny_params()))
    assert prompts == pl.read_parquet(root / "data/prompts/test.parquet")["prompt"].to_list()


def test_summary_of_a_text_is_that_of_the_pipeline(reproduced):
    root = reproduced.root
    row = json.loads((root / "corpus/test.jsonl").read_text().splitlines()[0])
    chat = root / "chat.txt"
    chat.write_text("".join(f"{t['who'].title()}: {t['said']}\n" for t in row["turns"]))
    try:
        done = reproduced.python("-m", "tools.summarize", "chat.txt")
        both = reproduced.python("-m", "tools.summarize", "--base", "chat.txt").stdout
    finally:
        chat.unlink()
    expected = {}
    for name in ("base", "tuned"):
        first = (root / f"data/summaries/{name}.jsonl").read_text().splitlines()[0]
        expected[name] = json.loads(first)["summary"]
    assert done.stdout == expected["tuned"] + "\n"
    assert both == f"tuned: {expected['tuned']}\nbase: {expected['base']}\n"


def test_jsonl_streams_and_tells_bad_lines_by_number(reproduced):
    root = reproduced.root
    good = [
        {"id": "a", "conversation": "Customer: late\nAgent: sorry"},
        {"turns": [{"text": "hi"}]},
    ]
    bad = ["{oops", "[]", '{"id": 1}', '{"turns": [{"text": "@only #"}]}', '{"turns": [{}]}']
    lines = [json.dumps(good[0]), *bad, json.dumps(good[1])]
    (root / "many.jsonl").write_text("\n".join(lines) + "\n")
    try:
        done = reproduced.python("-m", "tools.summarize", "many.jsonl")
        rejected = (root / "many.jsonl.rejected").read_text().splitlines()
    finally:
        for file in root.glob("many.jsonl*"):
            file.unlink()
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["a", 7]
    assert [n for n in range(2, 7) if f"line {n}: " in done.stderr] == [2, 3, 4, 5, 6]
    assert rejected == bad


@pytest.mark.parametrize("text", ["", "   \n", "Customer: @handle http://x.io"])
def test_nothing_to_summarise_is_a_sentence(reproduced, text):
    (reproduced.root / "chat.txt").write_text(text)
    try:
        done = reproduced.python("-m", "tools.summarize", "chat.txt", check=False)
    finally:
        (reproduced.root / "chat.txt").unlink()
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith("no words to summarise")


def test_without_a_trained_model_it_says_what_to_run(project):
    done = project.python("-m", "tools.summarize", "chat.txt", check=False)
    assert done.returncode == 1 and "make repro" in done.stderr


def test_turns_of_a_text():
    assert parse_turns("CUSTOMER: a\nmore: b\n agent : c") == [
        {"speaker": "customer", "text": "a\nmore: b"},
        {"speaker": "agent", "text": "c"},
    ]
