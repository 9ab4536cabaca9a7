"""Rows of a table keep their numbers after rows that cannot be read, and each of those is named."""

import json
from io import BytesIO
from types import SimpleNamespace

import polars as pl
import pytest

from stages.common.cli import UserError
from stages.params import load
from tests.helpers.data import ROOT
from tools.conversations import render
from tools.rows import kind_of, kind_of_piped, read_rows
from tools.summarize.printing import input_file

PARAMS = load(ROOT / "params.yaml")


def read(path, size: int = 2) -> tuple[list, list[str]]:
    """Ids of the conversations that are found, and the faults of other rows."""
    ids, faults = [], []
    reject = lambda place, why, _row: faults.append(f"{place}: {why}")
    kind = kind_of(path) if path.suffix else kind_of_piped(path, PARAMS.clean.columns)
    for rows in read_rows(path, kind, PARAMS.clean.columns, size, reject):
        texts, wrong = render(rows, PARAMS.clean)
        ids += [rows.ids[i] for i in sorted(texts)]
        faults += [f"{rows.places[i]}: {why}" for i, why in wrong.items()]
    return ids, faults


EMPTY = "row 3: all its cells are empty"
TABLES = {
    "too wide": (
        "conversation,b\nhi one,1\nbroken,row,with,too,many\nhi two,2\nhi three,3\n",
        [1, 3, 4],
        ["line 3: 5 cells where the header has 2"],
    ),
    "cells of several lines, and blank lines": (
        'conversation,b\n"hi\n\none",1\n\nx,y,z\n  \nhi two,2\n',
        [1, 3],
        ["line 6: 3 cells where the header has 2"],
    ),
    "its separator declared": ("sep=;\nconversation;b\nhi;1\nx;y;z\nhi;2\n", [1, 3], ["line 4: 3"]),
    "empty cells": ("conversation,b\nhi one,1\nhi two,2\n,\nhi three,3\n", [1, 2, 4], [EMPTY]),
    "a quote that is not closed": (
        'conversation,b\n"hi, one",1\n"hi two,2\n"hi, three",3\n"hi, four",4\n',
        [1, 3, 4],
        ["line 3: its quotes do not match"],
    ),
    "a backslash before a quote": (
        'conversation,b\n"a \\"hi\\" one",1\nx,y,z\n"hi \\"two\\"",2\n',
        [1, 3],
        ["line 3: 3 cells"],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_rows_of_csv_that_cannot_be_read_shift_no_number(tmp_path, name):
    text, ids, faults = TABLES[name]
    (tmp_path / "x.csv").write_text(text)
    found, told = read(tmp_path / "x.csv")
    assert found == ids
    assert len(told) == len(faults)
    assert all(line.startswith(fault) for line, fault in zip(told, faults, strict=True)), told


def test_rows_far_into_a_csv_file_keep_their_numbers(tmp_path):
    """pyarrow reads 8 MB at a time."""
    line = "word " * 200
    lines = [line if n % 1000 else f"{line},x,y" for n in range(1, 30_001)]
    (tmp_path / "x.csv").write_text("conversation,b\n" + "".join(f"{x},\n" for x in lines))
    rows = read_rows(tmp_path / "x.csv", "csv", PARAMS.clean.columns, 5000, lambda *_: None)
    ids = [id_ for some in rows for id_ in some.ids]
    assert ids == [n for n in range(1, 30_001) if n % 1000]


@pytest.mark.parametrize("columns", [{}, {"note": ["a", "b", "c", "d"]}])
def test_an_empty_row_of_parquet_is_named(tmp_path, columns):
    talks = {"conversation": ["hi one", "hi two", None, "hi three"]}
    pl.DataFrame(talks | columns).write_parquet(tmp_path / "x.parquet")
    for size in (1, 2, 9):
        ids, faults = read(tmp_path / "x.parquet", size)
        assert ids == [1, 2, 4]
        assert len(faults) == 1
        assert faults[0].startswith("row 3: no conversation is found" if columns else EMPTY)


@pytest.mark.parametrize(
    ("text", "said"),
    [("conversation,b\n", "holds no rows"), ("conversation,b\nx,y,z\n", "line 2: 3 cells")],
)
def test_a_table_without_a_row_is_refused(tmp_path, text, said):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        read(tmp_path / "x.csv")


TURNS = [{"speaker": "agent", "text": "late"}]
CHATS = [{"id": "a", "turns": TURNS}, {"id": "b", "turns": TURNS}]
PIPED = {
    "a list": ("json", json.dumps(CHATS)),
    "an indented list": ("json", "\ufeff" + json.dumps(CHATS, indent=2)),
    "an indented object": ("json", json.dumps(CHATS[0], indent=2)),
    "rows below a key": ("json", json.dumps({"data": CHATS}, indent=1)),
    "objects one after the other": ("json", "\n".join(json.dumps(c, indent=2) for c in CHATS)),
    "an object in a line": ("jsonl", json.dumps(CHATS[0]) + "\n"),
    "lines": ("jsonl", "".join(json.dumps(c) + "\n" for c in CHATS)),
    "csv": ("csv", 'id,conversation\na,"customer: hi\nagent: yes"\nb,hi\n'),
    "csv with a bad row": ("csv", "id;dialogue\na;hi there\nb;x;y\nc;hi again\n"),
    "tsv": ("tsv", "conversation\tnote\nhi there\tx\nhi again\ty\n"),
}


@pytest.mark.parametrize("name", PIPED)
def test_standard_input_is_read_as_the_file_of_its_content(tmp_path, name):
    kind, text = PIPED[name]
    for file in (tmp_path / f"x.{kind}", tmp_path / "x"):
        file.write_text(text)
    ids, faults = read(tmp_path / "x")
    assert (ids, faults) == read(tmp_path / f"x.{kind}")
    assert len(ids) == (1 if "object in" in name or "indented object" in name else 2)


@pytest.mark.parametrize(
    "text",
    [
        "Customer: hi, id 5\nAgent: yes, of course",
        "[12.03.24, 10:00] Mira: hi\n[12.03.24, 10:01] Tom: hello",
        "{sic} Mira: hi",
        "Mira, hi\nTom, hello",
        "conversation\nMira: hi",
        "sep=;\n",
        "",
    ],
)
def test_a_text_on_standard_input_is_one_conversation(tmp_path, text):
    (tmp_path / "x").write_text(text)
    assert kind_of_piped(tmp_path / "x", PARAMS.clean.columns) == "text"


def test_broken_json_on_standard_input_is_no_conversation(monkeypatch):
    broken = json.dumps(CHATS, indent=2)[:-9].encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=BytesIO(broken)))
    with pytest.raises(UserError, match=r"^standard input is not valid JSON"), input_file("-") as x:
        read(x)


@pytest.mark.parametrize(
    "content", [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", b"%PDF-1.4\n1 0 obj\n"]
)
def test_a_pdf_is_no_text(tmp_path, content):
    """Neither one that has bytes of no text, nor one that could be read as a conversation."""
    (tmp_path / "x.pdf").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.pdf is not a text file$"):
        kind_of(tmp_path / "x.pdf")
