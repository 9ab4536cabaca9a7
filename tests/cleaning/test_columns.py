"""`clean.columns: auto` finds what a person would name, or says which columns there are."""

import json

import polars as pl
import pytest

from stages.cleaning.columns import find_columns
from stages.cleaning.layouts import select_conversations, split_turns
from stages.common.cli import UserError
from tests.cleaning.test_layouts import LAYOUTS, NONE, columns
from tests.helpers.data import SPLITS, run_clean, texts

ASKED = [f"hello, item {i} broke and nobody answers" for i in range(12)]
TOLD = [f"sorry, please send a photo of item {i}" for i in range(12)]
SUMMARIES = [f"Item {i} broke. Agent asks for a photo." for i in range(12)]
CHATS = [f"Mira: {a}\nTom: {b}" for a, b in zip(ASKED, TOLD, strict=True)]
DIALOGUES = [[("customer", a), ("agent", b)] for a, b in zip(ASKED, TOLD, strict=True)]
NAMED = {"summary": SUMMARIES}


def found(table: dict, **options) -> dict:
    columns = find_columns(pl.DataFrame(table, strict=False), **options)
    return {key: value for key, value in columns.model_dump().items() if value is not None}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found(layout):
    write, _ = LAYOUTS[layout]
    talks = [write(dialogue) for dialogue in DIALOGUES]
    if layout == "numbered":
        talks = [json.dumps(talk) for talk in talks]
    table = pl.DataFrame({"talk": pl.Series(talks, strict=False), "summary": SUMMARIES})
    how = find_columns(table)
    frame = pl.DataFrame({"conversation": select_conversations(table, how)})
    turns = split_turns(frame.with_row_index("row"), how).select("speaker", "text").rows()
    assert turns == [turn for dialogue in DIALOGUES for turn in dialogue]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            {"key": range(12), "chat": CHATS, **NAMED},
            {"id": "key", "conversation": "chat", "speaker_separator": "auto"},
        ),
        (
            {"ticket_id": range(12), "customer_message": ASKED, "agent_reply": TOLD, **NAMED},
            {"id": "ticket_id", "customer": "customer_message", "agent": "agent_reply"},
        ),
        (
            {
                "conversations": [
                    [{"from": "human", "value": a}, {"from": "gpt", "value": b}]
                    for a, b in zip(ASKED, TOLD, strict=True)
                ],
                **NAMED,
            },
            {"conversation": "conversations", "speaker": "from", "text": "value"},
        ),
        (
            {
                "tweets": [
                    [{"inbound": True, "text": a, "at": 1}, {"inbound": False, "text": b, "at": 2}]
                    for a, b in zip(ASKED, TOLD, strict=True)
                ],
                **NAMED,
            },
            {"conversation": "tweets", "speaker": "inbound", "text": "text"},
        ),
        (
            {
                "who": [["c", "a"]] * 12,
                "utterances": [list(t) for t in zip(ASKED, TOLD, strict=True)],
                **NAMED,
            },
            {"conversation": "utterances", "speaker": "who"},
        ),
        (
            {"dialog": [chat.split("\n") for chat in CHATS], **NAMED},
            {"conversation": "dialog", "speaker_separator": "auto"},
        ),
        ({"article": ["word " * 200] * 12, **NAMED}, {"conversation": "article"}),
    ],
)
def test_columns_of_tables(table, expected):
    assert found(table) == expected | {"references": "summary"}


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ({"summary1": SUMMARIES, "summary2": SUMMARIES}, ["summary1", "summary2"]),
        ({"summary_a": SUMMARIES, "summary_b": [None] * 12}, ["summary_a", "summary_b"]),
        ({"notes": [json.dumps({"summaries": [s]}) for s in SUMMARIES]}, "notes.summaries"),
        ({"summaries": [[{"by": 1, "text": s}] for s in SUMMARIES]}, "summaries"),
        ({"Résumé": SUMMARIES, "summary_id": range(12)}, "Résumé"),
    ],
)
def test_references_are_found(references, expected):
    assert found({"chat": CHATS, **references})["references"] == expected


def test_a_chat_model_s_answer_is_the_summary_where_nothing_else_is():
    system, asked = {"role": "system", "content": "Summarise."}, {"role": "user"}
    messages = [
        [system, asked | {"content": chat}, {"role": "assistant", "content": summary}]
        for chat, summary in zip(CHATS, SUMMARIES, strict=True)
    ]
    assert found({"messages": messages}) == {
        "conversation": "messages",
        "speaker": "role",
        "text": "content",
        "speaker_separator": "auto",
        "references": "messages[-1].content",
    }


def test_what_is_given_stays():
    given = columns(conversation="auto", references="gist")
    table = {"chat": CHATS, "summary": SUMMARIES, "gist": SUMMARIES, "id": range(12)}
    assert found(table, given=given)["references"] == "gist"
    given = columns(conversation="chat", id="auto", speaker_separator=": ", references="auto")
    assert found(table, given=given) == {
        "id": "id",
        "conversation": "chat",
        "speaker_separator": ": ",
        "references": "summary",
    }


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"a": [1, 2], "b": ["x", "y"]}, "set clean.columns.conversation to one of 'a', 'b'"),
        ({"chat": CHATS}, "no summaries are found: set clean.columns.references to one of 'chat'"),
        (
            {
                "conversation_id": [1, 1, 2, 2],
                "speaker": ["c", "a"] * 2,
                "text": ASKED[:4],
                "summary": ASKED[:4],
            },
            "each row looks like one turn of the conversation that 'conversation_id' names",
        ),
    ],
)
def test_what_cannot_be_told_shows_the_columns(table, said):
    with pytest.raises(UserError) as error:
        found(table)
    assert said in str(error.value)


def test_without_summaries_where_there_are_none_to_be():
    assert found({"chat": CHATS}, references=False) == {
        "conversation": "chat",
        "speaker_separator": "auto",
    }


def test_auto_in_params(tmp_path, monkeypatch, capsys):
    rows = [
        {"key": i, "chat": chat, "summary": summary}
        for i, (chat, summary) in enumerate(zip(CHATS, SUMMARIES, strict=True))
    ]
    splits = {"train": rows[:6], "validation": rows[6:9], "test": rows[9:]}
    auto = NONE | {"id": "auto", "conversation": "auto", "references": "auto"}
    by_key = run_clean(tmp_path, monkeypatch, auto, splits, near_duplicates=None)
    (tmp_path / "all").mkdir()
    at_once = run_clean(tmp_path / "all", monkeypatch, "auto", splits, near_duplicates=None)
    assert by_key == at_once
    assert at_once["train"][0]["turns"][0] == {"speaker": "Mira", "text": ASKED[0]}
    assert [len(at_once[split]) for split in SPLITS] == [6, 3, 3]
    assert "columns found: id: key, conversation: chat" in capsys.readouterr().out


def test_auto_without_rows(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="train has no rows"):
        run_clean(tmp_path, monkeypatch, "auto", {"train": texts(1)[:0], "test": texts(1)})
