"""tools.inspect names what marks turns as internal notes, and lists that it does not read."""

import polars as pl
import pytest

from tools.inspect.look import raw_turns
from tools.inspect.settings import choose_columns
from tools.inspect.unread import answer_note, internal_note, unread_texts

TALK = [
    ("user", "my kettle leaks and nobody answers"),
    ("agent", "ask the depot first"),
    ("agent", "sorry, a new one is on its way to you"),
]


def note(fields: list[dict]) -> str | None:
    turns = [
        {"role": role, "text": said} | more for (role, said), more in zip(TALK, fields, strict=True)
    ]
    rows = [{"thread": turns, "summary": f"The kettle of user {n} leaks."} for n in range(9)]
    table = pl.DataFrame(rows, infer_schema_length=None)
    return internal_note(table, choose_columns(table, {}))


@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [
        ("private", True, False),
        ("is_internal", 1, 0),
        ("isPrivate", "true", "false"),
        ("public", False, True),
        ("jsdPublic", False, True),
        ("part_type", "note", "comment"),
        ("type", "internal_note", "message"),
        ("visibility", "INTERNAL", "PUBLIC"),
    ],
)
def test_internal_notes_among_turns_are_named(field, inside, outside):
    marked = [{field: value} for value in (outside, inside, outside)]
    assert f"9 of 27 turns are internal notes by {field!r} ({inside})" in note(marked)
    nested = [{"meta": fields} for fields in marked]
    assert f"by 'meta.{field}'" in note(nested)


@pytest.mark.parametrize(
    "fields",
    [
        [{}] * 3,
        [{"private": False}] * 3,
        [{"public": False}] * 3,  # of all: a mark of nothing
        [{"note": None}, {"note": "true"}, {"note": None}],
        [{"channel": "chat"}, {"channel": "email"}, {"channel": "chat"}],
        [{"type": "text"}, {"type": "image"}, {"type": "text"}],
        [
            {"participantType": "external"},
            {"participantType": "internal"},
            {"participantType": "x"},
        ],
    ],
)
def test_other_fields_are_not_named(fields):
    assert note(fields) is None


def test_texts_have_no_notes():
    table = pl.DataFrame({"chat": ["Mira: hi\nTom: hello"] * 3, "summary": ["They greet."] * 3})
    assert internal_note(table, choose_columns(table, {})) is None


PAIR = [{"who": "user", "text": "my kettle leaks a lot"}, {"who": "agent", "text": "send it back"}]


@pytest.mark.parametrize("more", [PAIR, ["my lamp is broken, too"], {"log": PAIR}])
def test_an_unread_list_is_reported(more):
    table = pl.DataFrame({"talk_1": [PAIR] * 9, "more": [more] * 9, "summary": ["It leaks."] * 9})
    columns = choose_columns(table, {"conversation": "talk_1"})
    assert unread_texts(table, columns) == ["more.log" if isinstance(more, dict) else "more"]


@pytest.mark.parametrize("holding", [0, 1, 3])
@pytest.mark.parametrize("form", ["text", "list"])
def test_summaries_within_conversations_are_counted(holding, form):
    rows = []
    for number in range(9):
        summary = f"The kettle of user {number} leaks and a new one is sent."
        last = f"noted:  {summary}" if number < holding else f"good day, user {number}"
        said = [("user", f"my kettle {number} leaks"), ("agent", "we send one"), ("agent", last)]
        talk = [{"who": who, "text": words} for who, words in said]
        text = "\n".join(f"{who}: {words}" for who, words in said)
        rows.append({"talk": talk if form == "list" else text, "summary": summary})
    table = pl.DataFrame(rows)
    columns = choose_columns(table, {})
    told = answer_note(raw_turns(table, columns), table, columns)
    expected = f"{holding} of 9 conversations contain their summary, such as row 1"
    assert told.startswith(expected) if holding else told is None
