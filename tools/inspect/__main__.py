"""Look at conversations before training on them: what they are, what becomes of them, how long it
takes.

    python -m tools.inspect mine.csv                    # a file, or a folder of them
    python -m tools.inspect mine.csv --write mine       # then: dvc repro

`--write NAME` saves what was found as `presets/NAME.yaml` and writes it over params.yaml, as
`tools.preset` does. In a folder, names such as train.csv, dev.csv and test/part-1.csv tell the
splits.
"""

import argparse
import re
from pathlib import Path

from stages.common.cli import UserError, run
from stages.common.parquet import SPLITS
from stages.params import load

BASE = Path("models/base")


def main() -> None:
    args = arguments()
    params, base = load(), BASE.resolve()

    import polars as pl

    from stages.cleaning.columns import speakers_note
    from tools.inspect import lengths, look, settings, show
    from tools.inspect.files import describe, find_files, read_sample
    from tools.inspect.order import order_note
    from tools.inspect.unread import (
        answer_note,
        internal_note,
        silent_note,
        split_note,
        unread_texts,
    )

    source = find_files(args.path)
    read = {split: read_sample(source.paths(split)) for split in SPLITS if source.files[split]}
    rows = {split: count for split, (_, count) in read.items()}
    tables = {split: table for split, (table, _) in read.items()}
    show.files(source, rows, describe)
    raw = pl.from_arrow(tables["train"])
    given = {"references": args.summary_column, "conversation": args.conversation_column}
    columns = settings.choose_columns(raw, given | {"id": args.id_column})
    turns = look.raw_turns(raw.head(look.SOME), columns)
    speakers = look.speakers(tables, columns)
    rules = settings.choose_cleaning(turns)
    clean = rules | settings.SPLITS | {"columns": columns.model_dump()}
    clean |= {"roles": settings.choose_roles(speakers, columns.speaker)}
    params = settings.patched(params, {"clean": clean})
    unread = unread_texts(raw, columns)
    told = (order_note, silent_note, internal_note)
    notes = [speakers_note(turns), *(note(raw, columns) for note in told)]
    notes += [answer_note(turns, raw.head(look.SOME), columns)]
    notes += [split_note(raw)] if not source.files["test"] else []
    show.layout(columns, unread, speakers, clean["roles"], notes)
    found = look.look(tables, params)
    clean |= {"holdout": found.holdout} if found.holdout else {}
    params = settings.patched(params, {"clean": clean})
    show.language(found)
    show.examples(look.examples(raw, params))
    show.cleaning(found, rules, params)
    tokens = lengths.lengths(found, base, params)
    limits = settings.choose_limits(tokens)
    show.lengths(tokens, params, limits)
    params = settings.patched(params, limits)
    show.time(found, base, params, rows["train"])
    if args.write:
        write(args.write, source, {"clean": clean, **limits}, found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.inspect", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("path", type=Path, help="a file or a folder")
    parser.add_argument(
        "--write", metavar="NAME", help="save as a preset and write over params.yaml"
    )
    for name in ("summary", "conversation", "id"):
        parser.add_argument(f"--{name}-column", metavar="COLUMN", help="where it is not found")
    args = parser.parse_args()
    if args.write and not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", args.write):
        raise UserError(f"--write {args.write}: a name has small letters, digits, - and _")
    return args


def write(name: str, source, patch: dict, found) -> None:
    """Save the preset and write it over params.yaml."""
    from tools import preset
    from tools.inspect.files import dataset_settings
    from tools.inspect.settings import HEAD, choose_constant, preset_text

    file = preset.PRESETS / f"{name}.yaml"
    if file.exists() and not file.read_text(encoding="utf-8").startswith(HEAD):
        raise UserError(f"{file} is not of this tool: give --write another name")
    patch = {"fetch": {"dataset": dataset_settings(source, name)}, **patch}
    constant = choose_constant(found.references)
    patch |= {"score": {"constant": constant}} if constant else {}
    patch |= {"card": {"data": name, "data_license": "not stated"}}
    preset.save(name, preset_text(patch))
    preset.write(name)
    print("now: dvc repro")


if __name__ == "__main__":
    run(main)
