"""New conversations are read and cleaned like the training data."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.params import load
from tests.helpers.data import ROOT, python, write_params
from tests.helpers.shared import shared
from tools.conversations import render
from tools.rows import read_rows


def test_summary_of_a_text_equals_that_of_the_pipeline(reproduced):
    root = reproduced.root
    row = json.loads((root / "corpus/test.jsonl").read_text().splitlines()[0])
    chat = root / "chat.txt"
    chat.write_text("".join(f"{t['who']}: {t['said']}\n" for t in row["turns"]))
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


def test_jsonl_is_streamed_and_bad_lines_are_numbered(reproduced):
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


def test_table_and_standard_input_give_a_line_for_each_conversation(reproduced, tmp_path):
    """A compressed table with a bad row, and standard input, whose format its content decides."""
    rows = 'id,conversation\n007,"customer: late\nagent: sorry"\n8,x,y\n9,\n10,customer: hi\n'
    file = tmp_path / "chats.CSV.gz"
    file.write_bytes(gzip.compress(rows.encode("utf-16")))
    done = reproduced.python("-m", "tools.summarize", str(file))
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["007", "10"]
    assert "line 4: 3 cells where the header has 2\n" in done.stderr
    assert "row 3: no conversation is found" in done.stderr
    assert f"2 rows are left out, see {file}.rejected" in done.stderr
    assert "8,x,y" in Path(f"{file}.rejected").read_text().splitlines()
    lines = '\ufeff{"id": 1, "turns": [{"speaker": "agent", "text": "late"}]}\n'
    piped = [sys.executable, "-m", "tools.summarize"]
    for content, said in ((lines.encode(), '{"id": 1, "tuned": '), (b"customer: late", "")):
        done = subprocess.run(
            piped,
            cwd=reproduced.root,
            env=reproduced.environment,
            input=content,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0 and done.stdout.decode().startswith(said)
        assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "count"), [("chats.ndjson", 5), ("chats_bom.jsonl", 5), ("chat_utf16.txt", 1)]
)
def test_shared_files_give_a_line_for_each_conversation(reproduced, name, count):
    file = shared(f"cases/files/{name}")
    done = reproduced.python("-m", "tools.summarize", str(file))
    assert len(done.stdout.splitlines()) == count


@pytest.mark.parametrize("text", ["", "   \n", "Customer: @handle http://x.io"])
def test_text_without_words_is_one_sentence(reproduced, text):
    (reproduced.root / "chat.txt").write_text(text)
    try:
        done = reproduced.python("-m", "tools.summarize", "chat.txt", check=False)
    finally:
        (reproduced.root / "chat.txt").unlink()
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith("no words to summarise")


def test_without_a_trained_model_it_says_what_to_run(project):
    done = project.python("-m", "tools.summarize", "chat.txt", check=False)
    assert done.returncode == 1 and "make repro" in done.stderr


FAULTS = [
    ("{", "line 2: "),
    ("[" * 100_000, "line 2: it nests too deeply"),
    ("null", "line 2: it is not a JSON object"),
    ('"Customer: hi"', "line 2: it is not a JSON object"),
    ("{}", "line 2: no conversation is found"),
    ('{"turns": null, "conversation": 5}', "line 2: no conversation is found"),
    ('{"turns": [{"text": null}]}', "line 2: holds no words to summarise"),
    ('{"turns": []}', "line 2: no conversation is found"),
    ('{"conversation": ""}', "line 2: holds no words to summarise"),
    ('{"conversation": "Customer: \U0001f600\\nAgent: @bob"}', "line 2: holds no words"),
]


@pytest.mark.parametrize(("line", "message"), FAULTS, ids=range(len(FAULTS)))
def test_lines_that_cannot_be_summarised_are_named(tmp_path, line, message):
    texts, faults = rendered(tmp_path, f'{{"conversation": "hi there"}}\n{line}\n')
    assert texts == {1: "hi there"} and len(faults) == 1
    assert faults[0].startswith(message)


@pytest.mark.parametrize(
    "line",
    [
        '{"conversation": "Customer: half \\ud83d of an emoji"}',
        json.dumps({"conversation": "Agent: " + "word " * 100_000}),
        '{"turns": [{"text": "مرحبا"}, {"speaker": null, "text": "x", "more": [1]}]}',
    ],
    ids=["surrogate", "long", "right to left"],
)
def test_unusual_lines_become_prompts(tmp_path, line):
    texts, faults = rendered(tmp_path, line + "\n")
    assert texts[1] and not faults


def rendered(folder: Path, content: str) -> tuple[dict, list[str]]:
    """Conversations of a file of JSON lines by id, and the faults of its other lines."""
    params, faults, found = load(ROOT / "params.yaml"), [], {}
    file = folder / "many.jsonl"
    file.write_text(content, encoding="utf-8")
    reject = lambda place, why, _: faults.append(f"{place}: {why}")
    for rows in read_rows(file, "jsonl", params.clean.columns, 84, reject):
        texts, wrong = render(rows, params.clean)
        found |= {rows.ids[i]: text for i, text in texts.items()}
        faults += [f"{rows.places[i]}: {why}" for i, why in wrong.items()]
    return found, faults


def test_summarising_redacts_as_training_does(tmp_path):
    texts, _ = rendered(tmp_path, '{"conversation": "Customer: I am jo@x.org, order #12345"}\n')
    assert texts[1] == "customer: i am (email), order (number)"


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_unusable_file_is_named(tmp_path, kind):
    write_params(tmp_path)
    for folder in ("models/base", "models/adapter", *(["chat.txt"] if kind == "folder" else [])):
        (tmp_path / folder).mkdir(parents=True)
    done = python("-m", "tools.summarize", "chat.txt", cwd=tmp_path)
    assert done.returncode == 1 and "chat.txt" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.parametrize("tool", ["summarize", "app", "export"])
def test_in_a_folder_below_it_says_where_to_run(tmp_path, tool):
    done = python("-m", f"tools.{tool}", *(["x"] if tool == "export" else []), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("does not exist: run from the root of the repository\n")
