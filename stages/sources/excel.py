"""Read spreadsheets of Excel and LibreOffice: the first sheet that is not empty, as text."""

import datetime
import io
from pathlib import Path

import pyarrow as pa

from stages.common.cli import UserError
from stages.sources.csv_files import unique_names
from stages.sources.unpacking import blocks, is_compressed

FORMATS = ("xlsx", "xlsm", "xlsb", "xls", "ods")


def read_sheet(path: Path) -> pa.Table:
    """The rows of the sheet, whose first row names the columns. An empty cell is null.

    A text cell keeps its text. A number has the digits that Excel stores, without zeros that only
    its format shows. A date becomes a text such as 2024-05-31.
    """
    import python_calamine as calamine

    source = io.BytesIO(b"".join(blocks(path))) if is_compressed(path) else str(path)
    try:
        with calamine.load_workbook(source) as book:
            sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    except calamine.PasswordError:
        raise UserError(f"{path} has a password: save it without one") from None
    except (calamine.CalamineError, OSError):
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}") from None
    filled = {
        name: rows for name, rows in sheets.items() if any(any(map(has_value, r)) for r in rows)
    }
    if not filled:
        raise UserError(f"{path} holds no rows")
    name, rows = next(iter(filled.items()))
    if len(filled) > 1:
        print(f"fetch: {path}: only sheet {name!r} is read, of {len(filled)} that are not empty")
    header, *rows = [row for row in rows if any(map(has_value, row))]
    names = list(unique_names([cell_text(cell) or "" for cell in header]))
    columns = zip(*([cell_text(cell) for cell in row] for row in rows), strict=True)
    arrays = [pa.array(column, pa.string()) for column in columns] or [
        pa.nulls(0, pa.string())
    ] * len(names)
    return pa.table(arrays, names)


def has_value(cell: object) -> bool:
    return cell != ""


def cell_text(cell: object) -> str | None:
    if cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).upper()  # as Excel shows it
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e21:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ")
    return str(cell)
