"""A sheet: items and empty answers as a CSV file that a spreadsheet opens, and back."""

import csv
import re
from pathlib import Path

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import UserError
from stages.sources.tables import read_table
from tools.ratings.answers import QUESTIONS, Answer
from tools.ratings.items import Item
from tools.rows import notes

LONGEST = 32_767  # characters that a cell of Excel holds
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r]")
ITEM = re.compile(r"i[0-9a-f]{16}")
YES = {
    *("yes", "y", "true", "1", "ja", "j", "oui", "sim", "si", "sí", "s", "да"),
    *("wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar"),  # TRUE in other spreadsheets
}
NO = {
    *("no", "n", "false", "0", "nein", "non", "não", "nao", "nee", "nej", "нет"),
    *("falsch", "faux", "falso", "onwaar"),
}


def write_sheet(path: Path, items: list[Item], separator: str = ",") -> None:
    """Write the items with three empty answers each. UTF-8 with a mark, which Excel needs."""
    with (
        atomic_write(path) as aside,
        open(aside, "w", encoding="utf-8-sig", newline="") as out,
    ):
        sheet = csv.writer(out, delimiter=separator)
        sheet.writerow(["item", "conversation", "summary", *QUESTIONS.values()])
        for item in items:
            sheet.writerow(
                [item.id, as_text(item.conversation), as_text(item.summary), *[""] * len(QUESTIONS)]
            )


def as_text(text: str) -> str:
    """The text so that no spreadsheet computes it: customers write what they like."""
    return f"'{text}" if FORMULA.match(text) else text


def read_sheet(path: Path) -> dict[str, Answer]:
    """Answers by item, of a sheet that any spreadsheet saved: CSV, .xlsx or .ods.

    Separator, encoding and order of the columns may have changed, and other columns may be there.
    Raises `UserError` with the row where an answer is unclear.
    """
    with notes():
        table = read_table(need(path, "write it by `python -m tools.ratings sheet`"))
    known = {plain(name): name for name in table.column_names}
    wanted = {"item": "item", **QUESTIONS}
    columns = {}
    for key, title in wanted.items():
        name = known.get(plain(title), known.get(plain(key)))
        if name is None:
            raise UserError(f"{path} has no column {title!r}")
        columns[key] = table[name].to_pylist()
    answers: dict[str, Answer] = {}
    # Spreadsheets count from 1, and the header is a row.
    for number, (item, *cells) in enumerate(zip(*columns.values(), strict=True), 2):
        if not ITEM.fullmatch((item or "").strip()):
            raise UserError(
                f"{path}, row {number}: {item!r} is no item: copy the row from the sheet as it was"
                " written, or take it out"
            )
        answer = {
            name: answer_of(cell, f"{path}, row {number}, {QUESTIONS[name]!r}")
            for name, cell in zip(QUESTIONS, cells, strict=True)
        }
        if answers.setdefault(item.strip(), answer) != answer:
            raise UserError(f"{path}, row {number}: the item has other answers in a row above")
    return answers


def plain(text: str) -> str:
    return re.sub(r"\W+", "", text).lower()


def answer_of(cell: str | None, where: str) -> bool | None:
    text = re.sub(r"^([01])[.,]0+$", r"\1", (cell or "").strip().strip("'.! ").lower())
    if text in YES or text in NO:
        return text in YES
    if text:
        raise UserError(
            f"{where}: {cell!r} is neither yes nor no; leave it empty if you cannot tell"
        )
    return None
