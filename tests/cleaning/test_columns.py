"""`clean.columns: auto` finds the columns that a person would name, or lists the columns."""

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
def test_columns_of_usual_tables_are_found(table, expected):
    assert found(table) == expected | {"references": "summary"}


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ({"summary1": SUMMARIES, "summary2": SUMMARIES}, ["summary1", "summary2"]),
        ({"summary_a": SUMMARIES, "summary_b": [None] * 12}, ["summary_a", "summary_b"]),
        ({"notes": [json.dumps({"summaries": [s]}) for s in SUMMARIES]}, "notes.summaries"),
        ({"summaries": [[{"by": 1, "text": s}] for s in SUMMARIES]}, "summaries"),
        ({"Résumé": SUMMARIES, "summary_id": range(12)}, "Résumé"),
        ({"Order Reference": [f"R-{n}" for n in range(12)], "Summary": SUMMARIES}, "Summary"),
        ({"preference": ["write me an e-mail"] * 12, "notes": SUMMARIES}, "notes"),
        ({"summary_status": ["approved"] * 12, "summary": SUMMARIES}, "summary"),
        ({"summarized_by": ["Amy Stone"] * 12, "gist": SUMMARIES}, "gist"),
        ({"ai_summary": SUMMARIES, "human_summary": SUMMARIES}, "human_summary"),
        ({"özet": SUMMARIES, "note": TOLD}, "özet"),
        ({"summary": ["refund"] * 12, "outcome": ["resolved"] * 12}, "summary"),
        ({"摘要": ["灯坏了"] * 12, "summary_type": ["short"] * 12}, "摘要"),
    ],
)
def test_references_are_found(references, expected):
    assert found({"chat": CHATS, **references})["references"] == expected


@pytest.mark.parametrize("name", ["outcome", "label", "resolution", "output"])
def test_a_status_is_no_summary(name):
    with pytest.raises(UserError, match="no summaries are found"):
        found({"chat": CHATS, name: ["resolved", "open"] * 6})
    assert found({"chat": CHATS, name: ["was sent", "lost it"] * 6})["references"] == name


def test_answer_of_a_chat_model_is_the_summary_if_there_is_no_other():
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


def test_given_columns_are_kept():
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
    ("table", "message"),
    [
        ({"a": [1, 2], "b": ["x", "y"]}, "set clean.columns.conversation to one of 'a', 'b'"),
        ({"chat": CHATS}, "no summaries are found: set clean.columns.references to one of 'chat'"),
        (
            {"Mira: hi\nTom: no": CHATS},
            "whose names look like a row's texts: write a line of names",
        ),
        (
            {
                "conversation_id": [1, 1, 2, 2],
                "speaker": ["c", "a"] * 2,
                "text": ASKED[:4],
                "summary": ASKED[:4],
            },
            "each row looks like one turn of the conversation that 'conversation_id' names",
        ),
        (
            {"ticket": ["a", "a", "b", "b"], "author": ["c", "a"] * 2, "message": ASKED[:4]},
            "each row looks like one turn of the conversation that 'ticket' names",
        ),
        (
            {"turn_1": ASKED, "turn_2": TOLD, "turn_3": ASKED, **NAMED},
            "'turn_1', 'turn_2', 'turn_3' look like turns of one conversation",
        ),
        (
            {
                "talk": [
                    {"turn_0": {"text": a}, "turn_1": {"text": b}}
                    for a, b in zip(ASKED, TOLD, strict=True)
                ],
                **NAMED,
            },
            "'talk.turn_0.text', 'talk.turn_1.text' look like turns of one conversation",
        ),
        (
            {"user_1": ASKED, "agent_1": TOLD, "user_2": ASKED, "agent_2": TOLD, **NAMED},
            "'user_1', 'user_2' look like turns of one conversation",
        ),
        (
            {"speakers": [["c"]] * 12, "turns": [list(t) for t in zip(ASKED, TOLD, strict=True)]},
            "'speakers' looks like the speakers of 'turns', but is not as long in rows 1, 2, 3",
        ),
    ],
)
def test_ambiguous_table_is_refused_with_its_columns(table, message):
    with pytest.raises(UserError) as error:
        found(table)
    assert message in str(error.value)


def test_references_are_optional():
    assert found({"chat": CHATS}, references=False) == {
        "conversation": "chat",
        "speaker_separator": "auto",
    }


def test_auto_may_be_set_for_all_columns_or_for_some(tmp_path, monkeypatch, capsys):
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


def test_auto_without_rows_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="train has no rows"):
        run_clean(tmp_path, monkeypatch, "auto", {"train": texts(1)[:0], "test": texts(1)})


def unequal(row: int) -> list[dict]:
    """Rows with a list of speakers and one of texts. In one row, a speaker is missing."""
    return [
        {
            "speakers": ["Mira", "Tom"][: 1 if i == row else 2],
            "turns": [ASKED[i], TOLD[i]],
            "summary": SUMMARIES[i],
        }
        for i in range(12)
    ]


def test_row_with_too_few_speakers_is_malformed(tmp_path, monkeypatch, capsys):
    splits = {"train": unequal(3), "validation": unequal(99)[:2], "test": unequal(99)[2:4]}
    knobs = {"near_duplicates": None, "max_malformed": 0.1}
    read = run_clean(tmp_path, monkeypatch, "auto", splits, **knobs)
    assert {turn["speaker"] for row in read["train"] for turn in row["turns"]} == {"Mira", "Tom"}
    assert "speaker: speakers" in (printed := capsys.readouterr().out)
    assert "1 with empty turns" in printed
    (tmp_path / "again").mkdir()
    with pytest.raises(UserError, match=r"In row 4: .* has 2 texts beside 1 speakers"):
        run_clean(
            tmp_path / "again", monkeypatch, "auto", splits, **knobs | {"max_malformed": 0.01}
        )


@pytest.mark.parametrize(
    ("chats", "note"),
    [
        (CHATS, None),
        ([chat.replace(": ", " ") for chat in CHATS], "no speakers are found"),
        (
            [ASKED[i] if i in (4, 7) else chat for i, chat in enumerate(CHATS)],
            "2 of 12 conversations have fewer than two speakers, such as row 5",
        ),
    ],
)
def test_conversations_without_speakers_are_reported(tmp_path, monkeypatch, capsys, chats, note):
    rows = [
        {"chat": chat, "summary": summary} for chat, summary in zip(chats, SUMMARIES, strict=True)
    ]
    splits = {"train": rows, "validation": rows[:1], "test": rows[1:2]}
    run_clean(tmp_path, monkeypatch, "auto", splits, near_duplicates=None)
    printed = capsys.readouterr().out
    assert (
        note in printed
        if note
        else "speakers, such as" not in printed and "no speakers" not in printed
    )


PROMPTS = [f"Summarize this chat:\n{chat}" for chat in CHATS]
ANSWERED = [
    f"{prompt}\n### Response:\n{told}" for prompt, told in zip(PROMPTS, SUMMARIES, strict=True)
]
MESSAGES = [
    [{"role": "user", "content": prompt}, {"role": "assistant", "content": told}]
    for prompt, told in zip(PROMPTS, SUMMARIES, strict=True)
]


def test_column_that_contains_the_summary_is_not_the_conversation():
    table = {"input": CHATS, "output": SUMMARIES, "text": ANSWERED}
    assert found(table)["conversation"] == "input"
    assert found({"messages": MESSAGES, **NAMED})["references"] == "messages[-1].content"
    with pytest.raises(UserError, match="the summaries of 'summary' stand in 'text'"):
        found({"text": ANSWERED, **NAMED})
