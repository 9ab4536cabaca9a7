"""Any dialogue, with any names and texts, gives the same turns from every layout."""

import json

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.cleaning.layouts import INSTRUCTIONS, select_conversations, split_turns
from stages.common.cli import UserError
from stages.params import Columns

NONE = dict.fromkeys(["id", "customer", "agent", "speaker", "text", "speaker_separator"])
ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ODD = st.sampled_from(
    ["[", "]", "{}", "[]", '["a"]', "a: b", "10:30", "\n", "'", '"', "\\", "#1", "nan"]
)
WORDS = (ANY | ODD | st.tuples(ANY, ODD, ANY).map("".join)).filter(str.strip)
# Who instructs a chat model has no turn: tests/cleaning/test_instructions.py.
NAMES = WORDS.filter(lambda name: name not in INSTRUCTIONS)
DIALOGUES = st.lists(
    st.lists(st.tuples(NAMES, WORDS), min_size=1, max_size=4), min_size=1, max_size=4
)


def columns(**edits) -> Columns:
    return Columns.model_validate(NONE | {"conversation": "talk", "references": "summary"} | edits)


def objects(dialogue: list) -> list[dict]:
    return [{"who": speaker, "text": text} for speaker, text in dialogue]


def lists(dialogue: list) -> dict:
    return {"who": [name for name, _ in dialogue], "text": [text for _, text in dialogue]}


OBJECTS = columns(speaker="who", text="text")
DEEP = columns(conversation="talk.thread.turns", speaker="author.name", text="body.plain")
# Of each layout: how it writes a dialogue, and the columns with which it is read.
LAYOUTS = {
    "objects": (objects, OBJECTS),
    "JSON text": (lambda d: json.dumps(objects(d)), OBJECTS),
    "JSON text, escaped": (lambda d: json.dumps(objects(d), ensure_ascii=False, indent=1), OBJECTS),
    "Python text": (lambda d: repr(objects(d)), OBJECTS),
    "numpy's text": (lambda d: "[" + "\n ".join(map(repr, objects(d))) + "]", OBJECTS),
    "objects as texts": (lambda d: [json.dumps(turn) for turn in objects(d)], OBJECTS),
    "an object": (
        lambda d: {"turns": objects(d), "n": 1},
        columns(conversation="talk.turns", speaker="who", text="text"),
    ),
    "an object, not led into": (lambda d: {"turns": objects(d), "n": 1}, OBJECTS),
    "far below": (
        lambda d: json.dumps(
            {"thread": {"turns": [{"author": {"name": a}, "body": {"plain": b}} for a, b in d]}}
        ),
        DEEP,
    ),
    "speakers as objects": (
        lambda d: [{"who": {"name": a, "n": 1}, "text": b} for a, b in d],
        columns(speaker="who.name", text="text"),
    ),
    "texts in parts": (
        lambda d: [{"who": a, "text": [{"type": "text", "text": b}]} for a, b in d],
        OBJECTS,
    ),
    "lists in an object": (lists, OBJECTS),
    "lists in an object, led to": (lists, columns(conversation="talk.text", speaker="talk.who")),
    "lists as text": (lambda d: json.dumps(lists(d)), OBJECTS),
    "pairs": (lambda d: [[a, b] for a, b in d], columns(speaker="[0]", text="[1]")),
    "numbered": (lambda d: {str(i): turn for i, turn in enumerate(objects(d))}, OBJECTS),
}


def read(values: list, columns: Columns) -> list[list[tuple]]:
    table = pl.DataFrame({"talk": pl.Series(values, strict=False)})
    frame = pl.DataFrame({"conversation": select_conversations(table, columns)})
    turns = split_turns(frame.with_row_index("row"), columns)
    return [
        [(a, b) for row, a, b in turns.select("row", "speaker", "text").rows() if row == i]
        for i in range(len(values))
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=60, deadline=None)
@given(DIALOGUES)
@example([[("Mira: K", "[x] {y}: 'z' \"q\""), ("#1", "a\nb: c")], [("nan", "['a' 'b']")]])
def test_every_layout_gives_the_same_turns(layout, dialogues):
    write, how = LAYOUTS[layout]
    if "numbered" in layout or "as texts" in layout:
        values = [write(dialogue) for dialogue in dialogues]
        values = values if "as texts" in layout else [json.dumps(value) for value in values]
    else:
        values = [write(dialogue) for dialogue in dialogues]
    assert read(values, how) == dialogues


SIDES = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(SIDES, min_size=1, max_size=3))
def test_sides_in_fields_or_columns_give_turns(dialogues):
    turns = [[turn for a, b in d for turn in (("customer", a), ("agent", b))] for d in dialogues]
    pairs = [[{"user": a, "bot": b} for a, b in d] for d in dialogues]
    single = [
        [{"user": a} if i == 0 else {"bot": b} for a, b in d for i in (0, 1)] for d in dialogues
    ]
    in_turns = columns(customer="user", agent="bot")
    assert read(pairs, in_turns) == turns
    assert read([json.dumps(d) for d in single], in_turns) == turns
    table = pl.DataFrame(
        {
            "user": [[a for a, _ in d] for d in dialogues],
            "bot": [[b for _, b in d] for d in dialogues],
        }
    )
    sides = columns(conversation=None, customer="user", agent="bot")
    frame = pl.DataFrame({"conversation": select_conversations(table, sides)})
    found = split_turns(frame.with_row_index("row"), sides).select("speaker", "text").rows()
    assert found == [turn for dialogue in turns for turn in dialogue]


MESSAGES = columns(
    speaker="role", text="content", speaker_separator="auto", references="talk[-1].content"
)


def message(role: str, content: str) -> dict:
    return {"role": role, "content": content}


def test_instructions_and_summaries_are_not_turns():
    system, answer = message("system", "Summarise."), message("assistant", "He asks.")
    asked = message("user", "Mira: hi\nTom: ho")
    expected = [("Mira", "hi"), ("Tom", "ho")]
    assert read([[system, asked, answer], [asked, answer]], MESSAGES) == [expected, expected]
    # A new conversation has no answer yet.
    assert read([[system, asked]], MESSAGES) == [expected]
    # In a dialogue between user and system, the system is a speaker.
    turns = [message("system", "Hello."), message("user", "Hi."), message("system", "How?")]
    how = columns(speaker="role", text="content")
    assert read([turns], how) == [[(turn["role"], turn["content"]) for turn in turns]]


@pytest.mark.parametrize("text", ["[10:00] Mira: hi [again]", "[sic]", "{so} it is", "[1, 2]", ""])
def test_text_in_brackets_is_not_parsed(text):
    (turns,) = read([text], columns())
    assert turns == [(None, text)]


@pytest.mark.parametrize(
    ("value", "edits", "message"),
    [
        (json.dumps([{"who": "a", "text": "b"}]), {}, "turns are objects: set clean.columns.text"),
        (
            json.dumps([{"who": "a", "text": "b"}]),
            {"speaker_separator": ": "},
            'to fields of {"who": "a", "text": "b"}',
        ),
        ({"a": 1, "b": "x"}, {"text": "text"}, "by a path such as talk.a"),
        ('[{"who": "a", "te', {"text": "text"}, "no list of turns as JSON or Python writes it"),
        ('[{"who": "a", "te', {}, "no list of turns as JSON or Python writes it"),
        (
            [{"who": {"name": "a"}, "text": "b"}],
            {"speaker": "who", "text": "text"},
            'speakers are objects, {"name": "a"}: set clean.columns.speaker to a field of them',
        ),
        (
            {"who": ["a"], "text": ["b", "c"]},
            {"speaker": "who", "text": "text"},
            "has 2 texts beside 1 speakers",
        ),
        ([["a", "b", "c"]], {}, "of a list, set clean.columns.speaker"),
    ],
)
def test_unreadable_value_is_shown_with_its_setting(value, edits, message):
    with pytest.raises(UserError) as error:
        read([value], columns(**edits))
    assert message in str(error.value)


def test_error_shows_only_the_start_of_a_text():
    secret = "my number is 07700 900123 and I live in a house"
    with pytest.raises(UserError) as error:
        read([json.dumps([{"who": secret, "said": secret}])], columns())
    assert "07700" not in str(error.value) and "house" not in str(error.value)


def test_column_may_mix_text_and_json():
    cells = ["Mira: hi\nTom: ho", json.dumps(objects([("a", "b")])), "[{broken", None]
    assert read(cells, OBJECTS) == [[("Mira", "hi"), ("Tom", "ho")], [("a", "b")], [], []]
