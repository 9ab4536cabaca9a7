"""Summaries of one file, or of standard input, as text or JSON lines on standard output."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from stages.common.atomic_io import disk_errors, need
from stages.common.cli import UserError
from stages.params import Params
from tools.rows import kind_of, kind_of_piped
from tools.summarize.engines import as_trained, summarizer

if TYPE_CHECKING:
    from stages.model.usage import Usage


def print_file(name: str, args: argparse.Namespace, params: Params) -> None:
    """`name` is a path, or - for standard input."""
    with input_file(name) as path:
        usage, params = as_trained(params)
        if args.jsonl:
            kind = "jsonl"
        elif name == "-":
            kind = kind_of_piped(path, params.clean.columns)
        else:
            kind = kind_of(path)
        show = print_summary if kind == "text" else print_summaries
        show(name, path, kind, args, params, usage)


@contextmanager
def input_file(name: str) -> Iterator[Path]:
    """The file; what comes on standard input is read to its end into one that is removed after."""
    if name != "-":
        path = need(name, "name a file of conversations, or - for standard input")
        if path.is_dir():
            raise UserError(f"{path} is a folder: name a file in it, or --out FOLDER")
        yield path
        return
    with NamedTemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        try:
            yield Path(copy.name)
        except UserError as error:
            raise UserError(str(error).replace(copy.name, "standard input")) from None


def print_summary(
    name: str, path: Path, kind: str, args: argparse.Namespace, params: Params, usage: "Usage"
) -> None:
    """The summary of the one conversation that a text is."""
    from stages.sources.text import read_text
    from tools.conversations import render_text

    try:
        text = render_text(read_text(path), params.clean)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    (summary,) = summarizer(params, usage, args.base)([text])
    print(f"tuned: {summary['tuned']}\nbase: {summary['base']}" if args.base else summary["tuned"])


def print_summaries(
    name: str, path: Path, kind: str, args: argparse.Namespace, params: Params, usage: "Usage"
) -> None:
    """JSON lines of `id`, `tuned` and `base`, a batch at a time."""
    from tools.conversations import render
    from tools.rows import read_rows

    rejected = Path(args.rejected or f"{'stdin' if name == '-' else name}.rejected")
    write = None
    with rejecting(rejected) as reject:
        for rows in read_rows(path, kind, params.clean.columns, params.generate.batch_size, reject):
            texts, faults = render(rows, params.clean)
            for i in sorted(faults):
                reject(rows.places[i], faults[i], rows.raw(i))
            # The model is loaded once there is something to summarise.
            write = write or (summarizer(params, usage, args.base) if texts else None)
            order = sorted(texts)
            summaries = write([texts[i] for i in order]) if order else []
            for i, summary in zip(order, summaries, strict=True):
                print(json.dumps({"id": rows.ids[i], **summary}, ensure_ascii=False, default=str))
    if write is None:
        raise UserError(f"{name} holds no conversation to summarise")


@contextmanager
def rejecting(path: Path) -> Iterator[Callable[[str, str, str], None]]:
    """A function that names a bad row on stderr and writes it to `path`, which it then creates."""
    count = 0

    def reject(place: str, why: str, row: str) -> None:
        nonlocal count
        print(f"{place}: {why}", file=sys.stderr)
        with disk_errors(path), open(path, "a" if count else "w", encoding="utf-8") as file:
            file.write(row + "\n")
        count += 1

    yield reject
    if count:
        what = "1 row is" if count == 1 else f"{count} rows are"
        print(f"{what} left out, see {path}", file=sys.stderr)
