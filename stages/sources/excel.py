"""Excel's sheets, and LibreOffice's: the first sheet that holds something, its cells as text."""

import datetime
import io
from pathlib import Path

import pyarrow as pa

from stages.common.cli import UserError
from stages.sources.csv_files import unique
from stages.sources.unpacking import blocks, is_packed

FORMATS = ("xlsx", "xlsm", "xlsb", "xls", "ods")


def read_sheet(path: Path) -> pa.Table:
    """The sheet's rows below its first, which names the columns. An empty cell is null.

    A cell that was typed as text is that text. A number has no more digits than Excel holds, and
    loses zeros that only its format shows; a date is written as 2024-05-31.
    """
    import python_calamine as calamine

    source = io.BytesIO(b"".join(blocks(path))) if is_packed(path) else str(path)
    try:
        with calamine.load_workbook(source) as book:
            sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    except calamine.PasswordError:
        raise UserError(f"{path} has a password: save it without") from None
    except (calamine.CalamineError, OSError):
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}") from None
    filled = {
        name: rows for name, rows in sheets.items() if any(any(map(filled_in, r)) for r in rows)
    }
    if not filled:
        raise UserError(f"{path} holds no rows")
    name, rows = next(iter(filled.items()))
    if len(filled) > 1:
        print(f"fetch: {path}: sheet {name!r} is read, {len(filled) - 1} others are not")
    header, *rows = [row for row in rows if any(map(filled_in, row))]
    names = list(unique([text(cell) or "" for cell in header]))
    columns = zip(*([text(cell) for cell in row] for row in rows), strict=True)
    arrays = [pa.array(column, pa.string()) for column in columns] or [
        pa.nulls(0, pa.string())
    ] * len(names)
    return pa.table(arrays, names)


def filled_in(cell: object) -> bool:
    return cell != ""


def text(cell: object) -> str | None:
    if cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).upper()  # as Excel shows it
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e21:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ")
    return str(cell)
