"""Blind ratings by people: a sheet to fill in, and what the answers say.

    python -m tools.ratings sheet --raters ana ben      # writes ratings/ana.csv and ratings/ben.csv
    python -m tools.ratings score ratings/ana.csv       # reads filled sheets; counts all answers

A summary gets three questions: is the customer's part right, is the agent's, are these at most two
sentences? The sheet does not tell whose summary it is. `score` keeps the answers in
`data/ratings.csv`, adds this to DVC, and writes `metrics/ratings.json`.
"""

import argparse
from pathlib import Path

from stages.common.cli import UserError, run
from tools.ratings.answers import is_complete, rater_name, save_answers
from tools.ratings.counting import count
from tools.ratings.items import SYSTEMS, read_items
from tools.ratings.sheets import LONGEST, read_sheet, write_sheet

SHEETS = Path("ratings")  # ignored by Git: it holds conversations


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.ratings", description=__doc__.splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet", help="write a blind sheet")
    sheet.add_argument("--dialogues", type=int, default=50, help="of the test split; 50")
    sheet.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    sheet.add_argument("--raters", nargs="+", default=["rater"], help="a sheet for each")
    sheet.add_argument("--separator", choices=[",", ";"], default=",", help="; for Excel in Europe")
    score = commands.add_parser("score", help="read filled sheets, and count all answers")
    score.add_argument("sheets", nargs="*", type=Path, help="named by their raters: ana.csv")
    args = parser.parse_args()
    if args.command == "sheet":
        write_sheets(args.dialogues, tuple(args.systems), args.raters, args.separator)
    else:
        read_sheets(args.sheets)
        count()


def write_sheets(dialogues: int, systems: tuple[str, ...], raters: list[str], separator: str):
    if dialogues < 1:
        raise UserError("--dialogues is below 1: nothing would be rated")
    files = [SHEETS / f"{rater_name(rater)}.csv" for rater in raters]
    for file in files:
        if file.exists():
            raise UserError(f"{file} exists and may hold answers: move it, or take another name")
    items = read_items(systems, dialogues)
    for file in files:
        write_sheet(file, items, separator)
    print(f"ratings: {len(items)} items in {', '.join(map(str, files))}")
    if long := sum(len(item.conversation) > LONGEST for item in items):
        print(f"ratings: {long} conversations are longer than a cell of Excel: rate them elsewhere")


def read_sheets(files: list[Path]) -> None:
    """Keep the answers of all sheets; of none if one cannot be read."""
    raters = [rater_name(file.name.partition(".")[0]) for file in files]
    if twice := {name for name in raters if raters.count(name) > 1}:
        raise UserError(f"two sheets are of {min(twice)}: a sheet has the name of its rater")
    new = {}
    for rater, file in zip(raters, files, strict=True):
        sheet = read_sheet(file)
        done = sum(map(is_complete, sheet.values()))
        part = sum(any(v is not None for v in answer.values()) for answer in sheet.values()) - done
        print(f"ratings: {rater}: {done} of {len(sheet)} items answered, {part} more in part")
        new |= {(item, rater): answer for item, answer in sheet.items()}
    if new:
        save_answers(new)


if __name__ == "__main__":
    run(main)
