"""What the app shows, without its page: tests/app has the page and the API."""

import gzip
import json
import zipfile

import pytest

from stages.common.cli import UserError
from stages.common.words import ENGLISH
from stages.params import load
from tests.helpers.data import ROOT
from tests.helpers.project import Project
from tools.app import changed, limits, marks
from tools.app.marker import Marker
from tools.app.reading import read_file, read_pasted, read_values
from tools.app.split import KEYS, ordered, read_split
from tools.conversations import render_text

CLEAN = load(ROOT / "params.yaml").clean
CHAT = "Customer: mail jo@x.org, order #12345\nAgent: thanks"


def test_a_text_is_read_as_by_tools_summarize_wherever_it_comes_from():
    wanted = render_text(CHAT, CLEAN)
    for found, redacted in (
        read_values([CHAT], CLEAN),
        read_pasted(CHAT, CLEAN, 5),
        read_file("chat.txt", CHAT.encode("utf-16"), CLEAN, 5),
        read_file("chats.jsonl.gz", gzip.compress(json.dumps({"turns": CHAT}).encode()), CLEAN, 5),
    ):
        assert [one.conversation.text for one in found] == [wanted]
        assert redacted == {"email": 1, "number": 1}


def test_rows_and_texts_keep_their_order_and_faults_their_place():
    values = [{"id": "a", "conversation": "Customer: late"}, "", {"id": 1}, "Agent: sorry"]
    found, _ = read_values(values, CLEAN)
    assert [one.id for one in found] == ["a", 2, 1, 4]
    assert [bool(one.conversation) for one in found] == [True, False, False, True]
    assert found[1].fault == "no words to summarise" and "no conversation" in found[2].fault


def test_many_rows_are_cut_at_one_more_than_asked_for():
    lines = "".join(json.dumps({"conversation": f"Customer: case {n}"}) + "\n" for n in range(300))
    found, _ = read_file("many.jsonl", lines.encode(), CLEAN, 20)
    assert len(found) == 21


@pytest.mark.parametrize("name", ["chat.txt.gz", "chat.xlsx"])
def test_what_unpacks_to_too_much_is_refused(tmp_path, name):
    content = b" " * (limits.UNPACKED + 1)
    packed = gzip.compress(content)
    if name.endswith("xlsx"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.xml", content)
            archive.writestr("b.xml", b"")
        packed = (tmp_path / name).read_bytes()
    assert len(packed) < limits.BODY
    with pytest.raises(UserError, match=rf"^{name} unpacks to more than 20,000,000 bytes$"):
        read_file(name, packed, CLEAN, 20)


def test_a_marker_leaves_out_what_most_summaries_say():
    """Conversations and references share "parcel", so that a checker of the split alone marks it."""
    turns = [[{"speaker": "customer", "text": f"my parcel {n} is late"}] for n in range(9)]
    references = [["Customer complains: the parcel is late."] for _ in turns]
    marker = Marker(turns, references, ENGLISH)
    summary = "Customer complains: the parcel 7 is dry."
    new = [{"speaker": "customer", "text": "the seat is wet"}]
    split = marker.checker.check(new, [summary])[0].spans
    assert [summary[span.start : span.end] for span in split] == ["parcel", "7", "dry"]
    found = marker(new, {"tuned": summary, "base": ""})
    assert [(span["kind"], span["text"]) for span in found["tuned"]] == [
        ("number", "7"),
        ("word", "dry"),
    ]
    assert all(summary[span["start"] : span["end"]] == span["text"] for span in found["tuned"])
    assert found["base"] == []


def test_the_test_split_is_ordered_by_any_figure(reproduced, monkeypatch):
    monkeypatch.chdir(reproduced.root)
    split = read_split()
    assert {one.id for one in split} == {f"c{n}" for n in range(17, 22)}
    for key in KEYS:
        for model in ("tuned", "base"):
            worst = [one.value(key, model) for one in ordered(split, key, model, worst=True)]
            known = [value for value in worst if value is not None]
            assert known == sorted(known, reverse=key == "length")
            assert worst[len(known) :] == [None] * (len(worst) - len(known))
            best = [one.value(key, model) for one in ordered(split, key, model, worst=False)]
            assert best[: len(known)] == known[::-1]


def test_files_of_two_runs_are_told(reproduced, monkeypatch):
    monkeypatch.chdir(reproduced.root)
    table = reproduced.root / "metrics/dialogues.csv"
    text = table.read_text()
    table.write_text(text.replace("c17,", "c99,"))
    try:
        with pytest.raises(UserError, match="not of one run: run `dvc repro` or `dvc pull`"):
            read_split()
    finally:
        table.write_text(text)


def test_two_branches_are_compared(faster_once, monkeypatch):
    project = Project(faster_once / "project")
    monkeypatch.chdir(project.root)
    assert {"main", "faster", changed.HERE} <= set(changed.names())
    before, after = changed.read_side("main"), changed.read_side(changed.HERE)
    found = changed.compare(before, after, "bleu", lost=True)
    assert len(found.common) == 5 and found.changed
    assert [one.by for one in found.changed] == sorted(one.by for one in found.changed)
    lines = (project.root / "data/summaries/tuned.jsonl").read_text().splitlines()
    assert after.summaries == {row["id"]: row["summary"] for row in map(json.loads, lines)}
    assert before.summaries and set(before.spans) == set(before.summaries)
    same = changed.compare(after, after, "coverage", lost=False)
    assert same.changed == [] and same.bleu[0] == same.bleu[1]
    with pytest.raises(UserError, match="'<b>' is no commit of this clone"):
        changed.read_side("<b>")


def test_html_in_texts_is_escaped():
    assert marks.card("<b>", "<i>x</i>", "<u>").count("&lt;") == 2
    assert "<b>" not in marks.notice("<b>") + marks.talk([{"speaker": "<b>", "text": "<b>"}])
    assert marks.marked("a\nb", []) == "a<br>b"
