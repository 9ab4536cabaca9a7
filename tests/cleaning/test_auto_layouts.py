"""`clean.columns: auto` finds the turns and references in the formats of programs and people."""

import json

import polars as pl
import pytest

from stages.cleaning.columns import find_columns
from stages.cleaning.layouts import select_conversations, split_turns
from stages.cleaning.references import read_references
from stages.sources.json_columns import to_table

PAIRS = [(f"hello, lamp {i} fails", f"sorry, please send a photo {i}") for i in range(12)]
TOLD = [f"Lamp {i} fails. Agent asks for a photo." for i in range(12)]
OTHER = [f"In case {i} a lamp is broken; a picture is wanted." for i in range(12)]
NAMED = ("customer", "agent")


def message(speaker: str, text: str) -> dict:
    return {"speaker": speaker, "text": text}


CELLS = {
    "tuples": (NAMED, lambda a, b: repr([("customer", a), ("agent", b)])),
    "tuples in a tuple": (NAMED, lambda a, b: repr((("customer", a), ("agent", b)))),
    "an array": (
        NAMED,
        lambda a, b: f"array([{message('customer', a)},\n {message('agent', b)}], dtype=object)",
    ),
    "a list a side": (
        NAMED,
        lambda a, b: json.dumps({"customer": [a], "agent": [b], "day": 3}),
    ),
    "JSON in JSON": (
        NAMED,
        lambda a, b: json.dumps(
            json.dumps([{"role": "customer", "content": a}, {"role": "agent", "content": b}])
        ),
    ),
    "numbers for speakers": (
        ("0", "1"),
        lambda a, b: json.dumps([{"speaker": 0, "text": a}, {"speaker": 1, "text": b}]),
    ),
    "numbers for sides": (
        ("0", "1"),
        lambda a, b: json.dumps([{"is_agent": 0, "message": a}, {"is_agent": 1, "message": b}]),
    ),
    "HTML alone": (
        NAMED,
        lambda a, b: json.dumps(
            [{"author": "customer", "html": a}, {"author": "agent", "html": b}]
        ),
    ),
    "a body with its type": (
        ("Mira", "Tom"),
        lambda a, b: json.dumps(
            [
                {"from": {"name": name}, "body": json.dumps({"contentType": "x", "content": text})}
                for name, text in (("Mira", a), ("Tom", b))
            ]
        ),
    ),
    "parts as JSON": (
        ("user", "assistant"),
        lambda a, b: json.dumps(
            [
                {"role": role, "content": json.dumps([json.dumps({"type": "text", "text": text})])}
                for role, text in (("user", a), ("assistant", b))
            ]
        ),
    ),
    "a name beside an id": (
        ("Mira", "Tom"),
        lambda a, b: json.dumps(
            [
                {"from": name, "from_id": id_, "text": text}
                for name, id_, text in (("Mira", "user1", a), ("Tom", "user2", b))
            ]
        ),
    ),
}
# Cells with lists of texts, and cells with a text in some format.
CELLS |= {
    "a time in each turn": (
        ("Mira", "Tom"),
        lambda a, b: json.dumps([["10:00", "Mira", a], ["10:05", "Tom", b]]),
    ),
    "the text first": (("Mira", "Tom"), lambda a, b: json.dumps([[a, "Mira"], [b, "Tom"]])),
    "everything of one type": (
        ("u1", "u2"),
        lambda a, b: json.dumps(
            [
                {"type": "message", "author_id": id_, "text": text}
                for id_, text in (("u1", a), ("u2", b))
            ]
        ),
    ),
    "pieces in bold": (
        ("Mira", "Tom"),
        lambda a, b: json.dumps(
            [
                {"from": "Mira", "text": [a[:3], {"type": "bold", "text": a[3:]}]},
                {"from": "Tom", "text": b},
            ]
        ),
    ),
    "lists of parts": (
        ("user", "model"),
        lambda a, b: [
            {"role": "user", "parts": [{"text": a[:6]}, {"text": a[7:]}]},
            {"role": "model", "parts": [{"text": b}]},
        ],
    ),
    "a prompt": (
        ("Mira", "Tom"),
        lambda a, b: f"Summarize this conversation:\n\nMira: {a}\nTom: {b}\n\nSummary:",
    ),
    "dashes": (("Mira", "Tom"), lambda a, b: f"Mira - {a}\nTom - {b}"),
    "captions": (
        ("Mira", "Tom"),
        lambda a, b: (
            f"WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\n<v Mira>{a}\n\n"
            f"2\n00:00:03.000 --> 00:00:04.000\n<v Tom>{b}\n"
        ),
    ),
}
SUMMARIES = {
    ("tldr",): [TOLD],
    ("notes",): [TOLD],
    ("resolution",): [TOLD],
    ("ref1", "ref2"): [TOLD, OTHER],
    ("summary", "summary_2"): [TOLD, OTHER],
    ("annotator1_summary", "annotator2_summary"): [TOLD, OTHER],
}


def read(table: pl.DataFrame) -> tuple[list, list]:
    columns = find_columns(table)
    frame = pl.DataFrame({"conversation": select_conversations(table, columns)})
    turns = split_turns(frame.with_row_index("row"), columns)
    return turns.select("speaker", "text").rows(), read_references(table, columns).to_list()


@pytest.mark.parametrize("cell", CELLS)
def test_cells_give_speakers_and_texts(cell):
    names, write = CELLS[cell]
    table = pl.DataFrame({"talk": [write(*pair) for pair in PAIRS], "summary": TOLD})
    turns, _ = read(table)
    assert turns == [turn for pair in PAIRS for turn in zip(names, pair, strict=True)]


def test_list_of_numbers_gives_the_speakers():
    talks = [list(pair) for pair in PAIRS]
    speakers = [[0, 1]] * len(PAIRS)
    table = pl.DataFrame({"utterances": talks, "speaker_ids": speakers, "summary": TOLD})
    turns, _ = read(table)
    assert turns == [turn for pair in PAIRS for turn in zip("01", pair, strict=True)]


def test_lists_of_numbers_and_texts_in_an_object_are_turns():
    talks = [{"speaker": [0, 1], "utterance": list(pair)} for pair in PAIRS]
    for form in (json.dumps, lambda talk: talk):
        turns, _ = read(pl.DataFrame({"turns": list(map(form, talks)), "summary": TOLD}))
        assert turns == [turn for pair in PAIRS for turn in zip("01", pair, strict=True)]


@pytest.mark.parametrize(
    ("talk", "who", "said"),
    [("Gespräch", "Sprecher", "Nachricht"), ("dialog", "spk", "utt"), ("对话", "角色", "内容")],
)
def test_fields_may_have_names_of_other_languages(talk, who, said):
    talks = [[{who: "A", said: a}, {who: "B", said: b}] for a, b in PAIRS]
    turns, _ = read(pl.DataFrame({talk: list(map(json.dumps, talks)), "summary": TOLD}))
    assert turns == [turn for pair in PAIRS for turn in zip("AB", pair, strict=True)]


@pytest.mark.parametrize("names", SUMMARIES)
def test_reference_columns_of_other_names_are_found(names):
    talks = [f"Mira: {a}\nTom: {b}" for a, b in PAIRS]
    given = dict(zip(names, SUMMARIES[names], strict=True))
    _, references = read(pl.DataFrame({"id": range(12), "transcript": talks, **given}))
    assert references == [list(row) for row in zip(*SUMMARIES[names], strict=True)]


@pytest.mark.parametrize(
    "names", [("summary_a", "summary_b", "summary_c"), ("ref1", "ref2", "ref3")]
)
def test_references_may_be_empty_in_any_column(names):
    talks = [f"Mira: {a}\nTom: {b}" for a, b in PAIRS]
    rows = [("" if i < 6 else TOLD[i], OTHER[i], "") for i in range(12)]
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    _, references = read(pl.DataFrame({"dialogue": talks, **columns}))
    assert references == [[text for text in row if text] for row in rows]


def test_missing_value_is_not_a_reference():
    talks = [f"Mira: {a}\nTom: {b}" for a, b in PAIRS]
    given = {"summary1": TOLD, "summary2": ["nan"] * 12, "summary3": ["None"] * 12}
    _, references = read(pl.DataFrame({"dialogue": talks, **given}))
    assert references == [[text] for text in TOLD]
    lists = [[text, None, ""] for text in TOLD]
    _, references = read(pl.DataFrame({"dialogue": talks, "summaries": lists}))
    assert references == [[text] for text in TOLD]


def test_references_inside_objects_are_found():
    talks = [f"Mira: {a}\nTom: {b}" for a, b in PAIRS]
    pairs = zip(TOLD, OTHER, strict=True)
    notes = [str([{"by": 1, "summary": a}, {"by": 2, "summary": b}]) for a, b in pairs]
    _, references = read(pl.DataFrame({"dialogue": talks, "annotations": notes}))
    assert references == [list(pair) for pair in zip(TOLD, OTHER, strict=True)]


def test_author_numbers_become_speakers():
    talks = [
        json.dumps([{"author_id": 9000 + n, "body": a}, {"author_id": 7, "body": b}])
        for n, (a, b) in enumerate(PAIRS)
    ]
    turns, _ = read(pl.DataFrame({"comments": talks, "summary": TOLD}))
    assert turns[:2] == [("9000", PAIRS[0][0]), ("7", PAIRS[0][1])]


KINDS = {
    "text": lambda a, b: f"Mira: {a}\nTom: {b}",
    "texts": lambda a, b: [f"Mira: {a}", f"Tom: {b}"],
    "objects": lambda a, b: [message("Mira", a), message("Tom", b)],
    "an object": lambda a, b: {"turns": [message("Mira", a), message("Tom", b)]},
}


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_each_row_is_read_by_its_own_layout(first, second):
    writers = [KINDS[first], KINDS[second]]
    rows = [
        {"talk": writers[i % 2](*pair), "summary": [TOLD[i], OTHER[i]] if i % 2 else TOLD[i]}
        for i, pair in enumerate(PAIRS)
    ]
    turns, references = read(pl.from_arrow(to_table(rows, "rows")))
    assert turns == [turn for pair in PAIRS for turn in zip(("Mira", "Tom"), pair, strict=True)]
    assert references == [[TOLD[i], OTHER[i]] if i % 2 else [TOLD[i]] for i in range(12)]


SPEAKERS = [
    {"sender": "Jo {}", "is_read": True},
    {"from_name": "Jo {}", "type": "text"},
    {"author": {"name": "Jo {}"}, "message_type": "chat"},
]
BESIDE = ["quoted_text", "translated_text", "reply_to.text", "body_html", "parent_message"]
BESIDE += ["normalised_text", "delexicalized_text", "text_lemmas"]


@pytest.mark.parametrize("fields", SPEAKERS)
@pytest.mark.parametrize("other", BESIDE)
def test_what_is_beside_the_speaker_and_the_text_is_neither(fields, other):
    def named(value, name):
        if isinstance(value, dict):
            return {key: named(inner, name) for key, inner in value.items()}
        return name if isinstance(value, str) and "{}" in value else value

    outer, _, inner = other.partition(".")
    rows = []
    for number, (asked, told) in enumerate(PAIRS):
        turns = [
            named(fields, f"Jo {number}") | {"text": asked},
            named(fields, "Amy")
            | {"text": told, outer: {inner: asked * 3} if inner else asked * 3},
        ]
        rows.append({"talk": turns, "summary": TOLD[number]})
    turns, _ = read(pl.from_arrow(to_table(rows, "rows")))
    expected = [
        turn
        for number, (asked, told) in enumerate(PAIRS)
        for turn in ((f"Jo {number}", asked), ("Amy", told))
    ]
    assert turns == expected
