"""Summarise new conversations with the tuned model, read, cleaned and prompted as in training.

    python -m tools.summarize chat.txt
    python -m tools.summarize chats.jsonl > summaries.jsonl

A text is one conversation: a line a turn, opened by the speaker's name and a colon, or a chat as a
phone exports it. A table (.jsonl .ndjson .json .csv .tsv .parquet .xlsx, compressed or not) has a
conversation a row, where the training data had it, or in `turns` or `conversation`; `id` is
optional. `-` is standard input, a text or JSON lines. Rows that cannot be read are named by number
on stderr and written to FILE.rejected.
"""

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
from stages.common.cli import UserError, run
from stages.params import Params, load

if TYPE_CHECKING:
    from stages.model.usage import Usage

BASE = Path("models/base")
ADAPTER = Path("models/adapter")


def main() -> None:
    args = arguments()
    params = load()
    need(BASE, "run `make repro` first")
    need(ADAPTER, "run `make repro` first")

    from stages.model.usage import adopt, read
    from tools.rows import kind_of

    with input_file(args.file) as path:
        usage = read(ADAPTER, BASE)
        params = adopt(usage, params)
        kind = "jsonl" if args.jsonl else kind_of(path)
        show = print_summary if kind == "text" else print_summaries
        show(path, kind, args, params, usage)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.summarize", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", nargs="?", default="-", help="- is standard input")
    parser.add_argument("--jsonl", action="store_true", help="it is JSON lines, whatever its name")
    parser.add_argument("--base", action="store_true", help="show the untuned model's beside it")
    parser.add_argument("--rejected", help="where bad rows go; default: FILE.rejected")
    return parser.parse_args()


@contextmanager
def input_file(name: str) -> Iterator[Path]:
    """The file; what comes on standard input is read to its end into one that is removed after."""
    if name != "-":
        path = need(name, "name a file of conversations, or - for standard input")
        if path.is_dir():
            raise UserError(f"{path} is a folder: name a file in it")
        yield path
        return
    with NamedTemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def print_summary(
    path: Path, kind: str, args: argparse.Namespace, params: Params, usage: "Usage"
) -> None:
    """The summary of the one conversation that a text is."""
    from stages.sources.text import read_text
    from tools.conversations import render_text

    try:
        text = render_text(read_text(path), params.clean)
    except UserError as error:
        raise UserError(f"{args.file}: {error}") from None
    (summary,) = summarizer(params, usage, args.base)([text])
    print(f"tuned: {summary['tuned']}\nbase: {summary['base']}" if args.base else summary["tuned"])


def print_summaries(
    path: Path, kind: str, args: argparse.Namespace, params: Params, usage: "Usage"
) -> None:
    """JSON lines of `id`, `tuned` and `base`, a batch at a time."""
    from tools.conversations import render
    from tools.rows import read_rows

    rejected = Path(args.rejected or f"{'stdin' if args.file == '-' else args.file}.rejected")
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
        raise UserError(f"{args.file} holds no conversation to summarise")


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


def summarizer(params: Params, usage: "Usage", base: bool) -> Callable[[list[str]], list[dict]]:
    """A function from conversations to what each model writes of them, `tuned` and, if asked for,
    `base`."""
    from stages.generate import summarize
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_base, load_tokenizer, load_tuned
    from stages.model.prepacked import prepack

    knobs = params.model
    hardware = choose_hardware(knobs.precision)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    tokenizer.eos_token = usage.eos_token
    models = {"tuned": load_tuned(load_base(BASE, knobs.quantization, hardware), ADAPTER)}
    if base:
        models["base"] = load_base(BASE, knobs.quantization, hardware)
    models = {name: prepack(model) for name, model in models.items()}

    def write(texts: list[str]) -> list[dict]:
        how = {"progress": False, "frame": usage.rendered}
        written = [
            summarize(model, tokenizer, texts, params.format_prompts, params.generate, **how)
            for model in models.values()
        ]
        return [
            dict(zip(models, summaries, strict=True)) for summaries in zip(*written, strict=True)
        ]

    return write


if __name__ == "__main__":
    run(main)
