"""New conversations go the way the training data went."""

import json

import polars as pl
import pytest

from stages.params import Params, load
from tests.helpers.data import ROOT, python, write_params
from tests.helpers.project import tiny_params
from tools.summarize import conversations_of, parse_turns, read_row


def test_prompt_is_the_one_training_saw(reproduced):
    root = reproduced.root
    lines = (root / "corpus/test.jsonl").read_text().splitlines()
    rows = [
        {"turns": [{"speaker": t["who"], "text": t["said"]} for t in json.loads(line)["turns"]]}
        for line in lines
    ]
    prompts = conversations_of(rows, Params.model_validate(tiny_params()))
    assert prompts == pl.read_parquet(root / "data/prompts/test.parquet")["conversation"].to_list()


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


LINES = [
    ("", "not valid JSON"),
    ("{", "not valid JSON"),
    ("[" * 100_000, "not valid JSON"),
    ("null", "not a JSON object"),
    ("[]", "not a JSON object"),
    ('"Customer: hi"', "not a JSON object"),
    ("{}", "needs `turns`, a list, or `conversation`, a text"),
    ('{"turns": "hi"}', "needs `turns`, a list"),
    ('{"turns": null, "conversation": 5}', "needs `turns`, a list"),
    ('{"turns": ["hi"]}', "each of `turns` needs a `text`"),
    ('{"turns": [{"text": null}]}', "each of `turns` needs a `text`"),
    ('{"turns": [{"speaker": 1, "text": "a"}]}', "a `speaker` must be a text"),
    ('{"turns": []}', "holds no words to summarise"),
    ('{"conversation": ""}', "holds no words to summarise"),
    ('{"conversation": "Customer: 😀\\nAgent: @bob"}', "holds no words to summarise"),
    ('{"turns": [{"text": "\\u0000"}]}', "holds no words to summarise"),
]


@pytest.mark.parametrize(("line", "said"), LINES)
def test_lines_that_cannot_be_summarised(line, said):
    with pytest.raises(ValueError) as error:
        read_row(1, line, load(ROOT / "params.yaml"))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        '{"conversation": "Customer: half \\ud83d of an emoji"}',
        json.dumps({"conversation": "Agent: " + "word " * 100_000}),
        '{"turns": [{"text": "مرحبا"}, {"speaker": null, "text": "x", "more": [1]}]}',
    ],
    ids=["surrogate", "long", "right to left"],
)
def test_odd_lines_become_prompts(line):
    params = load(ROOT / "params.yaml")
    row = read_row(1, line, params)
    assert conversations_of([row], params)[0]


def test_summarising_redacts_as_training_does():
    params = load(ROOT / "params.yaml")
    row = read_row(1, '{"conversation": "Customer: I am jo@x.org, order #12345"}', params)
    (text,) = conversations_of([row], params)
    assert text == "customer: i am (email), order (number)"


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_files_that_cannot_be_summarised(tmp_path, kind):
    write_params(tmp_path)
    for folder in ("models/base", "models/adapter", *(["chat.txt"] if kind == "folder" else [])):
        (tmp_path / folder).mkdir(parents=True)
    done = python("-m", "tools.summarize", "chat.txt", cwd=tmp_path)
    assert done.returncode == 1 and "chat.txt" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
