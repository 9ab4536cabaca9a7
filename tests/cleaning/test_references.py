"""References are read from every layout, and a value without text is shown."""

import json

import polars as pl
import pytest

from stages.cleaning.references import read_references
from stages.common.cli import UserError
from tests.cleaning.test_layouts import NONE, columns
from tests.helpers.data import TEXT, run_clean

BOTH = ["He asks. She helps.", "It broke: [sic], {so} 'he' says."]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (BOTH, "summary"),
        (json.dumps(BOTH), "summary"),
        (repr(BOTH), "summary"),
        ("[" + "\n ".join(map(repr, BOTH)) + "]", "summary"),
        ([["He asks.", "She helps."], [BOTH[1]]], "summary"),
        ([{"annotator": 1, "text": text} for text in BOTH], "summary"),
        ([{"annotator": 1, "text": text} for text in BOTH], "summary.text"),
        (json.dumps([{"n": 1, "words": text} for text in BOTH]), "summary"),
        ({"notes": {"written": BOTH, "n": 2}}, "summary.notes.written"),
        (json.dumps({"notes": [{"t": BOTH[0]}, {"t": BOTH[1]}]}), "summary.notes.t"),
        (json.dumps([[{"s": "He asks."}, {"s": "She helps."}], BOTH[1:]]), "summary"),
    ],
    ids=range(11),
)
def test_two_references_in_any_layout(value, path):
    table = pl.DataFrame({"summary": [value, None]})
    assert read_references(table, columns(references=path)).to_list() == [BOTH, None]


def test_references_of_several_columns_are_collected():
    table = pl.DataFrame(
        {"a": ["One.", None, None], "b": ["Two.", "Two.", None], "c": ["One."] * 3}
    )
    found = read_references(table, columns(references=["a", "b", "c"])).to_list()
    assert found == [["One.", "Two."], ["Two.", "One."], ["One."]]


@pytest.mark.parametrize("value", ["👍", "❤️ 🙏", "No", "5", "无"])
def test_a_short_reference_is_one(value):
    table = pl.DataFrame({"summary": [value]})
    assert read_references(table, columns()).to_list() == [[value]]


@pytest.mark.parametrize("nothing", ["-", "--", "?", "…", "TBD", "Tbd.", "none", "n.a.", "NA", " "])
@pytest.mark.parametrize("form", ["{}", '["{}"]', '[{{"by": 1, "text": "{}"}}]'])
def test_what_people_write_where_there_is_no_summary_is_none(nothing, form):
    cells = [form.format(text) for text in (nothing, "None came.", "5", "要約", "संक्षेप")]
    found = read_references(pl.DataFrame({"a": cells}), columns(references="a")).to_list()
    assert found == [None, ["None came."], ["5"], ["要約"], ["संक्षेप"]]


def test_the_last_message_is_the_summary_unless_the_user_wrote_it():
    asked, answer = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "He asks."}
    table = pl.DataFrame({"talk": [[asked, answer], [answer, asked]]})
    how = columns(speaker="role", text="content", references="talk[-1].content")
    assert read_references(table, how).to_list() == [["He asks."], None]


@pytest.mark.parametrize("value", ["[1] He asks.", "{so} it is", "[He] asks [her]", "[12]"])
def test_brackets_in_a_reference_are_kept(value):
    table = pl.DataFrame({"summary": [value]})
    assert read_references(table, columns()).to_list() == [[value]]


def test_unreadable_references_are_shown_shortened(tmp_path, monkeypatch):
    secret = "He called from 07700 900123 about a very private matter"
    rows = [{"text": f"talk {i}", "summary": [{"a": secret, "b": secret}]} for i in range(3)]
    with pytest.raises(UserError) as error:
        run_clean(tmp_path, monkeypatch, TEXT, {"train": rows})
    assert str(error.value).endswith(
        "clean.columns.references 'summary' leads to no text in"
        ' [{"a": "He called from …", "b": "He called from …"}]'
    )


def test_helper_sets_only_keys_of_columns():
    assert set(NONE) < set(columns().model_dump())
