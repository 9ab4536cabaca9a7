"""clean: every layout becomes id, turns and references, and a wrong mapping is named."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages import clean
from stages.cleaning import output, raw
from stages.common.cli import UserError
from tests.helpers.data import (
    NO_COLUMNS,
    SPLITS,
    TEXT,
    pair,
    project,
    run_clean,
    studio,
    texts,
    three,
)

LIST = NO_COLUMNS | {
    "id": "name",
    "conversation": "chat",
    "speaker": "role",
    "text": "content",
    "references": "summary",
}


def test_dialogstudio_rows_are_cleaned(tmp_path, monkeypatch):
    log = [pair("@Acme My BAG &amp; coat! 😀", "Sorry. https://t.co/x ^JS"), pair("Bye", None)]
    row = studio("a", log, [["He lost it.", "Agent  helps, at 5%!"], "Short.", ["Short."]])
    others = {s: [studio(s, [pair(s, s)], [["R."]])] for s in ("validation", "test")}
    rows = run_clean(tmp_path, monkeypatch, None, {"train": [row], **others})
    assert rows["train"] == [
        {
            "id": "a",
            "turns": [
                {"speaker": "customer", "text": "my bag coat!"},
                {"speaker": "agent", "text": "sorry."},
                {"speaker": "customer", "text": "bye"},
            ],
            "references": ["He lost it. Agent helps, at 5%!", "Short."],
        }
    ]
    for split in SPLITS:
        schema = pq.read_schema(f"data/clean/{split}.parquet").remove_metadata()
        assert schema == output.SCHEMA


def test_list_of_turns_with_speakers_is_read(tmp_path, monkeypatch):
    def row(i: int, *chat: tuple) -> dict:
        turns = [{"role": role, "content": text, "row": 9} for role, text in chat]
        return {"name": i, "chat": turns, "summary": [f"Sum {i}", "", f"Sum {i}"]}

    splits = {
        "train": [row(7, ("agent", "A ^JS"), (None, "b"), ("customer", "c ^JS"), ("agent", None))],
        "validation": [row(8, ("x", "y"))],
        "test": [row(9, ("x", "z"))],
    }
    rows = run_clean(tmp_path, monkeypatch, LIST, splits)["train"]
    turns = [(turn["speaker"], turn["text"]) for turn in rows[0]["turns"]]
    assert turns == [("agent", "a"), (None, "b"), ("customer", "c js")]
    assert (rows[0]["id"], rows[0]["references"]) == ("7", ["Sum 7"])


def test_list_of_turns_without_speakers_is_read(tmp_path, monkeypatch):
    bare = LIST | {"id": None, "speaker": None}
    splits = {s: [{"chat": [{"content": s}], "summary": "S"}] for s in SPLITS}
    for columns, data in (
        (bare, splits),
        (bare | {"text": None}, {s: [{"chat": [s], "summary": "S"}] for s in SPLITS}),
    ):
        folder = tmp_path / str(columns["text"])
        folder.mkdir()
        rows = run_clean(folder, monkeypatch, columns, data)
        assert rows["test"][0]["turns"] == [{"speaker": None, "text": "test"}]


def test_each_line_of_a_text_becomes_a_turn(tmp_path, monkeypatch):
    dialogue = "#Person1#: hi: you\n\n#Person2#: Yes\r\nand on"
    train = [{"text": dialogue, "summary": "#Person1# greets."}]
    rows = run_clean(tmp_path, monkeypatch, TEXT | {"speaker_separator": ": "}, three(train))[
        "train"
    ]
    turns = [(turn["speaker"], turn["text"]) for turn in rows[0]["turns"]]
    assert turns == [("#Person1#", "hi: you"), ("#Person2#", "yes"), (None, "and on")]
    assert rows[0]["references"] == ["#Person1# greets."]


def test_document_is_one_turn_and_rows_are_numbered(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "BATCH", 2)  # numbers continue from batch to batch
    train = [{"text": f"One: two\nthree {i}", "summary": "S"} for i in range(5)]
    rows = run_clean(tmp_path, monkeypatch, TEXT, three(train))
    assert [row["id"] for row in rows["train"]] == [f"train-{i}" for i in range(1, 6)]
    assert rows["test"][0]["id"] == "test-1"
    assert rows["train"][0]["turns"] == [{"speaker": None, "text": "one: two three 0"}]


def test_missing_id_becomes_the_row_number(tmp_path, monkeypatch):
    train = [{**row, "key": key} for row, key in zip(texts(2), ["k", None], strict=True)]
    others = {split: [{**texts(1, split)[0], "key": split}] for split in SPLITS[1:]}
    rows = run_clean(tmp_path, monkeypatch, TEXT | {"id": "key"}, {"train": train, **others})
    assert [row["id"] for row in rows["train"]] == ["k", "train-2"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"id": "key"}, "has no column 'key': set clean.columns.id to one of 'text', 'summary'"),
        (
            {"conversation": "log"},
            "'log': set clean.columns.conversation to one of 'text', 'summary'",
        ),
        (
            {"references": "info.a"},
            "'info': set clean.columns.references to one of 'text', 'summary'",
        ),
    ],
)
def test_missing_column_is_named_with_those_present(tmp_path, monkeypatch, edit, message):
    with pytest.raises(UserError) as error:
        run_clean(tmp_path, monkeypatch, TEXT | edit, three(texts(2)))
    assert message in str(error.value) and str(error.value).endswith("or to auto")
    assert not Path("data/clean").exists()


def test_a_split_with_other_columns_than_train_is_named_with_a_way_out(tmp_path, monkeypatch):
    splits = three(texts(2)) | {"test": [{"text": "My bill is wrong.", "gist": "A bill."}]}
    with pytest.raises(UserError) as error:
        run_clean(tmp_path, monkeypatch, TEXT, splits)
    assert str(error.value) == (
        "data/raw/test.parquet has no column 'summary', which train has: give all splits the same"
        " columns; these are 'text', 'gist'"
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"speaker": "who"}, "a turn has no field 'who': see clean.columns.speaker"),
        ({"text": "said"}, "a turn has no field 'said': see clean.columns.text"),
        ({"speaker": None, "text": None}, "turns are objects: set clean.columns.text"),
        ({"conversation": "name"}, "clean.columns.conversation 'name' is Int64: no text"),
        ({"conversation": "numbers"}, "the turns of 'numbers' are neither texts nor objects"),
    ],
)
def test_mapping_that_does_not_fit_the_turns_is_named(tmp_path, monkeypatch, edit, message):
    row = {"name": 1, "numbers": [1], "chat": [{"role": "a", "content": "b"}], "summary": "S"}
    with pytest.raises(UserError) as error:
        run_clean(tmp_path, monkeypatch, LIST | edit, {"train": [row]})
    assert message in str(error.value)


def test_nested_references_are_joined(tmp_path, monkeypatch):
    # A column whose name has a dot is preferred to a path into JSON.
    for i, value in enumerate(["A. B.", ["A. B.", "A. B."], [["A.", "B."], []]]):
        folder = tmp_path / str(i)
        folder.mkdir()
        splits = {s: [{"text": s, "x.y": value}] for s in SPLITS}
        rows = run_clean(folder, monkeypatch, TEXT | {"references": "x.y"}, splits)
        assert rows["train"][0]["references"] == ["A. B."]


def test_missing_input_names_the_stage_to_run(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"data/raw/train\.parquet does not exist: run fetch"):
        clean.main()
