"""fetch: files that are compressed, spreadsheets or in parts; wrong paths; rows that are bad."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from stages import clean
from stages.common.cli import UserError
from stages.fetch import fetch_dataset
from stages.sources.tables import read_table
from tests.helpers.data import TEXT, project, read_rows
from tests.helpers.files import FILES, fetched, pack, talks
from tests.helpers.shared import shared


def jsonl(rows: list[dict]) -> bytes:
    return pa.Table.from_pylist(rows).to_pandas().to_json(orient="records", lines=True).encode()


def parquet(rows: list[dict]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def sheet(rows: list[list], more: dict[str, list[list]] | None = None):
    """A function that writes a workbook to a path."""

    def write(path: Path) -> None:
        book = xlsxwriter.Workbook(str(path))
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, table in {"Talks": rows, **(more or {})}.items():
            page = book.add_worksheet(name)
            for y, row in enumerate(table):
                for x, cell in enumerate(row):
                    if isinstance(cell, str):
                        page.write_string(y, x, cell)
                    elif isinstance(cell, datetime.date):
                        page.write_datetime(y, x, cell, date)
                    elif cell is not None:
                        page.write(y, x, cell)
        book.close()

    return write


@pytest.mark.parametrize("write", [jsonl, parquet])
@pytest.mark.parametrize("how", ["", ".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_compressed_file_is_read(tmp_path, write, how):
    path = pack(tmp_path / f"a.{write.__name__}", write(talks()), how)
    assert read_table(path).to_pylist() == talks()
    bare = path.with_name("b.jsonl")  # its name does not show that it is compressed
    if write is jsonl:
        path.rename(bare)
        assert read_table(bare).to_pylist() == talks()


@pytest.mark.parametrize("how", [".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_incomplete_archive_is_refused(tmp_path, monkeypatch, how):
    def write(path: Path) -> None:
        whole = pack(path.with_suffix(""), jsonl(talks(5000)), how)
        whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    with pytest.raises(UserError, match=r"in/a\.jsonl\.\w+ (cannot be unpacked|is not a zip)"):
        fetched(tmp_path, monkeypatch, f"a.jsonl{how}", write)


def test_archive_of_several_files_is_refused(tmp_path, monkeypatch):
    import zipfile

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.csv", "text,summary\na,b\n")
            archive.writestr("b.csv", "text,summary\na,b\n")

    with pytest.raises(UserError, match=r"in/a\.zip holds 2 files: it must hold one"):
        fetched(tmp_path, monkeypatch, "a.zip", write)


def test_sheet_of_texts_is_read(tmp_path, monkeypatch):
    rows = talks()
    table = [list(rows[0]), *(list(row.values()) for row in rows), [None], [""]]
    assert fetched(tmp_path, monkeypatch, "a.xlsx", sheet(table)) == rows


def test_cells_of_a_sheet_become_text(tmp_path, monkeypatch, capsys):
    ids = ["007", "1e5", "12345678901234567890", "+1 555 0100", "TRUE", "NA"]
    cells = [42, 1.5, True, datetime.date(2024, 5, 31), None]
    shown = ["42", "1.5", "TRUE", "2024-05-31", None]
    table = [["id", "text"], *([i, "a\nb"] for i in ids), *([cell, "a"] for cell in cells)]
    read = fetched(tmp_path, monkeypatch, "A.XLSX", sheet(table, {"Notes": [["x"]]}))
    assert [row["id"] for row in read] == [*ids, *shown]
    assert read[0]["text"] == "a\nb"
    assert "only sheet 'Talks' is read, of 2 that are not empty" in capsys.readouterr().out


def test_sheet_with_only_a_header_has_no_rows(tmp_path, monkeypatch):
    assert fetched(tmp_path, monkeypatch, "a.xlsx", sheet([["id", "text"]])) == []
    with pytest.raises(UserError, match=r"in/a\.xlsx holds no rows"):
        fetched(tmp_path, monkeypatch, "a.xlsx", sheet([]))


def test_pattern_names_the_parts_of_a_split(tmp_path, monkeypatch):
    rows = talks(30)
    files = {"train": "part-*.jsonl.gz", "validation": "v.csv", "test": None}
    params = project(tmp_path, monkeypatch, FILES | {"fetch.dataset.files": files})
    Path("in").mkdir()
    for n in range(3):
        pack(Path(f"in/part-{n}.jsonl"), jsonl(rows[10 * n : 10 * n + 10]), ".gz")
    Path("in/v.csv").write_text("id,dialogue,summary\n001,a,b\n")
    fetch_dataset(params.fetch.dataset)
    assert read_rows("data/raw/train.parquet") == rows
    for path in Path("in").glob("part-*"):
        path.unlink()
    message = r"in holds no file part-\*\.jsonl\.gz: see fetch\.dataset\.files\.train"
    with pytest.raises(UserError, match=message):
        fetch_dataset(params.fetch.dataset)


def test_parts_with_different_columns_are_joined(tmp_path, monkeypatch):
    files = FILES["fetch.dataset.files"] | {"train": "*.*"}
    params = project(tmp_path, monkeypatch, FILES | {"fetch.dataset.files": files})
    Path("in").mkdir()
    Path("in/a.csv").write_text("id,text\n7,a\n")
    Path("in/b.jsonl").write_text('{"id": 8, "summary": "s"}\n')
    fetch_dataset(params.fetch.dataset)
    assert read_rows("data/raw/train.parquet") == [
        {"id": "7", "text": "a", "summary": None},
        {"id": "8", "text": None, "summary": "s"},
    ]


@pytest.mark.parametrize("name", ["/data/train.csv", "../train.csv", "a/../../train.csv"])
def test_file_outside_the_dataset_path_is_refused(tmp_path, monkeypatch, name):
    message = r"fetch\.dataset\.files\.train is .*outside fetch\.dataset\.path: set that"
    with pytest.raises(UserError, match=message):
        project(tmp_path, monkeypatch, FILES | {"fetch.dataset.files.train": name})


@pytest.mark.parametrize("key", ["fetch.dataset.path", "fetch.model.path"])
@pytest.mark.parametrize("path", [".", "data", "data/raw", "data/clean/x", "models", "./metrics"])
def test_source_in_an_output_folder_is_refused(tmp_path, monkeypatch, key, path):
    with pytest.raises(UserError, match=rf"{key} is .*: the pipeline writes (data|models|metr)"):
        project(tmp_path, monkeypatch, {key: path})


@pytest.mark.parametrize(("bad", "limit"), [(1, True), (20, False)])
def test_bad_rows_count_as_malformed_in_clean(tmp_path, monkeypatch, capsys, bad, limit):
    columns = {f"clean.columns.{name}": value for name, value in TEXT.items()}
    columns["clean.columns.conversation"] = "dialogue"
    rows = "".join(f'{i},"words of talk {i} and {i * 7}",s\n' for i in range(60))
    content = "id,dialogue,summary\n" + "x\n" * bad + rows
    fetched(tmp_path, monkeypatch, "a.csv", content.encode())
    project(tmp_path, monkeypatch, FILES | columns)
    if limit:
        clean.main()
        assert f"{bad} without a conversation" in capsys.readouterr().out
    else:
        with pytest.raises(UserError, match=r"25% of 80 rows are malformed .*max_malformed"):
            clean.main()


CASES = ["lines_in.json", "pandas_columns.json", "bom.jsonl", "utf16.csv", "semicolon.csv"]


@pytest.mark.parametrize("name", [*CASES, "tabs.tsv"])
def test_shared_cases_have_the_same_conversations(name):
    plain = read_table(shared("cases/layouts/reference_columns.csv")).to_pylist()
    expected = [{"dialogue": row["dialogue"], "summary": row["summary1"]} for row in plain]
    assert read_table(shared(f"cases/files/{name}")).to_pylist() == expected


@pytest.mark.parametrize(
    ("name", "rows"), [("cp1252.csv", 36), ("backslash.csv", 36), ("one_bad_row.csv", 37)]
)
def test_shared_cases_have_all_their_rows(name, rows):
    assert read_table(shared(f"cases/files/{name}")).num_rows == rows


def test_every_shared_table_is_read():
    endings = {".csv", ".tsv", ".json", ".jsonl", ".ndjson"}
    paths = [path for path in shared("cases").rglob("*.*") if path.suffix in endings]
    assert len(paths) > 20
    for path in paths:
        assert read_table(path).num_rows >= 5, path
