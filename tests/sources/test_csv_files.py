"""CSV files of every dialect are read as they were written: each cell is the same text."""

import csv
import io

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stages.common.cli import UserError
from stages.sources.tables import read_table
from tests.helpers.files import fetched, pack, talks


def written(rows: list[list[str]], **dialect) -> bytes:
    out = io.StringIO()
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue().encode()


def cells(rows: list[dict]) -> list[list[str]]:
    return [list(rows[0]), *(list(row.values()) for row in rows)]


BACKSLASH = {"doublequote": False, "escapechar": "\\"}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "A.CSV", "a.Tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("escape", [{}, BACKSLASH])
@pytest.mark.parametrize("lineterminator", ["\n", "\r\n"])
def test_every_dialect_is_read(tmp_path, name, delimiter, quoting, escape, lineterminator):
    rows, path = talks(), tmp_path / name
    form = {"delimiter": delimiter, "quoting": quoting, "lineterminator": lineterminator} | escape
    path.write_bytes(written(cells(rows), **form))
    assert read_table(path).to_pylist() == rows


@pytest.mark.parametrize(
    "values",
    [
        ["007", "1e5", "12345678901234567890", "+1 555 0100", "0x1F"],
        ["TRUE", "false", "NA", "null", "None", "NaN", "-inf"],
        ["2024-05-01", "05/01/2024", "12:30", "1.50", "1,000"],
        [" padded ", "tab\tinside", "a\rb", "{}", "[1]"],
        ["=1+1", "-", "'quoted'", "“so”", "\\N"],
    ],
)
def test_a_cell_is_the_text_that_was_written(tmp_path, values):
    path = tmp_path / "a.csv"
    path.write_bytes(written([["id", "text"], *([value, "x"] for value in values)]))
    assert [row["id"] for row in read_table(path).to_pylist()] == values


def test_empty_quotes_are_an_empty_text_and_an_empty_cell_is_null(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,text,more\n1,"",x\n2,,x\n\n , \n,,\n')
    rows = read_table(path).to_pylist()
    assert [row["text"] for row in rows] == ["", None]


def test_separator_line_of_excel_is_used(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"sep=;\r\ntext;summary\r\na, b;c\r\n")
    assert read_table(path).to_pylist() == [{"text": "a, b", "summary": "c"}]


def test_tab_separated_text_may_have_plain_quotes(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b'text\tsummary\n"Hi" she said\tgreeting\n5" pipe\tits width\n' * 1)
    rows = read_table(path).to_pylist()
    assert [row["text"] for row in rows] == ['"Hi" she said', '5" pipe']


def test_backslashes_that_escape_nothing_are_kept(tmp_path):
    path = tmp_path / "a.csv"
    text = "id,text\n" + "".join(f'{i},"see C:\\temp\\new, \\"{i}\\" and \\\\"\n' for i in range(9))
    path.write_text(text)
    rows = read_table(path).to_pylist()
    assert rows[3] == {"id": "3", "text": 'see C:\\temp\\new, "3" and \\'}


def test_repeated_column_names_become_unique(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",text,summary,summary\n0,a,b,c\n")
    assert read_table(path).column_names == ["", "text", "summary", "summary_2"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_of_each_of_joined_files_is_no_row(tmp_path, delimiter, quoting):
    rows, path = talks(), tmp_path / "a.csv"
    like = dict(zip(rows[0], [*list(rows[0])[:2], "my text"], strict=True))  # of all names but one
    part = written(cells([*rows, like]), delimiter=delimiter, quoting=quoting)
    path.write_bytes(part + part)
    assert read_table(path).to_pylist() == 2 * [*rows, like]


def test_one_column_may_hold_its_own_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\nhello\ntext\n")
    assert read_table(path).to_pylist() == [{"text": "hello"}, {"text": "text"}]


@pytest.mark.parametrize("bad", [["one", "too", "many", "cells"], ["few"]])
def test_bad_row_is_counted_and_named(tmp_path, monkeypatch, capsys, bad):
    rows = talks()
    content = written([*cells(rows)[:20], bad, *cells(rows)[20:]])
    read = fetched(tmp_path, monkeypatch, "a.csv", content)
    assert read == [*rows, dict.fromkeys(rows[0])]  # clean counts rows of nulls
    printed = capsys.readouterr().out
    # Each row before it takes two lines, because one of its cells has a line break.
    assert (
        f"in/a.csv line 40: {len(bad)} cells where the header has 3; the row is left out" in printed
    )
    assert "many" not in printed and "few" not in printed


def test_only_the_first_bad_rows_are_listed(tmp_path, monkeypatch, capsys):
    fetched(tmp_path, monkeypatch, "a.csv", b"a,b\n1,2\n" + b"x\n" * 9)
    printed = capsys.readouterr().out
    assert printed.count("the row is left out") == 3
    assert "in/a.csv: in total, 9 rows are left out" in printed


def test_file_with_only_bad_rows_is_refused(tmp_path, monkeypatch):
    message = r"in/a\.csv line 2: 3 cells where the header has 2; all 5 rows are bad"
    with pytest.raises(UserError, match=message):
        fetched(tmp_path, monkeypatch, "a.csv", b"a,b\n" + b"secret,2,3\n" * 5)


ALPHABET = st.sampled_from(
    [*"abcé 0179.:{}['", *'""",,;;||\t\t\n\n', "😀", "你", "\\", "NA", "007"]
)
CELL = st.lists(ALPHABET, max_size=12).map("".join)
TABLE = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    table=TABLE,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    escape=st.sampled_from([{}, BACKSLASH]),
    encoding=st.sampled_from(ENCODINGS),
    ending=st.sampled_from(["\n", "\r\n"]),
    packed=st.sampled_from(["", ".gz", ".bz2", ".xz", ".zst", ".zip"]),
)
def test_any_table_is_read_as_it_was_written(
    tmp_path, table, delimiter, quoting, escape, encoding, ending, packed
):
    # The first row has quotes. Without it, a table of a few empty cells might show none.
    rows = [["id", "dialogue", "summary"], ["1", "a", 'say "b"'], *map(list, table)]
    form = {"delimiter": delimiter, "quoting": quoting, "lineterminator": ending} | escape
    path = pack(tmp_path / "a.csv", written(rows, **form).decode().encode(encoding), packed)
    read = [[cell or "" for cell in row.values()] for row in read_table(path).to_pylist()]
    assert read == [row for row in rows[1:] if any(row) or quoting == csv.QUOTE_ALL]


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 12 * 8 - 1), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_lost_quote_loses_only_the_rows_around_it(tmp_path, number, quoting):
    rows = [row | {"dialogue": row["dialogue"] + "\nso, well, ok\nbye"} for row in talks(12)]
    parts = written(cells(rows), quoting=quoting).split(b'"')
    cut = 6 + number if quoting == csv.QUOTE_ALL else number  # the header stays
    assume(cut < len(parts) - 1)
    content = b'"'.join(parts[: cut + 1]) + b'"'.join([b"", *parts[cut + 1 :]])[1:]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    read = [row for row in read_table(path).to_pylist() if any(row.values())]
    assert all(row in rows for row in read)
    assert len(read) >= 10


def test_extra_quote_loses_only_its_row(tmp_path, capsys):
    path = tmp_path / "a.csv"
    good = written(cells(talks()))
    path.write_bytes(good + b'"x" y,"a secret",b\n' + b'7,"a, b",c\n')
    rows = read_table(path).to_pylist()
    assert rows[:-1] == [*talks(), {"id": "7", "dialogue": "a, b", "summary": "c"}]
    printed = capsys.readouterr().out
    assert "a.csv line 74: its quotes do not match; the row is left out" in printed
    assert "secret" not in printed


@pytest.mark.parametrize("content", ["id,text", "id,text\n", '"id","text"'])
def test_file_with_only_a_header_has_no_rows(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert read_table(path).column_names == ["id", "text"]
    assert read_table(path).num_rows == 0
