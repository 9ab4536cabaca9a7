"""Summarise new conversations with the tuned model, cleaned and prompted as in training.

    python -m tools.summarize chat.txt
    python -m tools.summarize chats.jsonl > summaries.jsonl

A text file, or standard input, holds one conversation, its turns opened by `Customer:` or
`Agent:`. A JSONL line holds `turns`, a list of `{"speaker", "text"}`, or `conversation`, such a
text; `id` is optional. Lines that cannot be read are reported by number and kept in a file.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from stages.common.atomic_io import need
from stages.common.cli import UserError, run
from stages.params import Params, load

BASE = Path("models/base")
ADAPTER = Path("models/adapter")
LABEL = re.compile(r"\s*(customer|agent)\s*:\s*", re.IGNORECASE)


def main() -> None:
    args = arguments()
    params = load()
    need(BASE, "run `make repro` first")
    need(ADAPTER, "run `make repro` first")
    if args.file == "-":
        summarize_source(sys.stdin, args, params)
    else:
        path = need(args.file, "name a text or a .jsonl file, or - for standard input")
        with open(path, encoding="utf-8", errors="replace") as source:
            summarize_source(source, args, params)


def summarize_source(source: TextIO, args: argparse.Namespace, params: Params) -> None:
    if args.jsonl or args.file.endswith(".jsonl"):
        default = "stdin" if args.file == "-" else args.file
        rejected = Path(args.rejected or f"{default}.rejected")
        summarize_lines(source, params, args.base, rejected)
        return
    row = {"id": None, "turns": parse_turns(source.read())}
    if not clean(row["turns"], params):
        raise UserError(f"{args.file} holds no words to summarise")
    summaries = next(summarize_rows([row], params, args.base))
    print(summaries["tuned"] if not args.base else f"tuned: {summaries['tuned']}")
    if args.base:
        print(f"base: {summaries['base']}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.summarize", description=__doc__.splitlines()[0]
    )
    parser.add_argument("file", nargs="?", default="-", help="text or .jsonl; - is standard input")
    parser.add_argument("--jsonl", action="store_true", help="standard input is JSONL")
    parser.add_argument("--base", action="store_true", help="show the untuned model's beside it")
    parser.add_argument("--rejected", help="where bad lines go; default: FILE.rejected")
    return parser.parse_args()


def summarize_lines(lines: Iterable[str], params: Params, base: bool, rejected: Path) -> None:
    """JSONL in, JSONL out, a batch at a time; each bad line is told and kept in `rejected`."""
    bad: list[tuple[int, str, str]] = []

    def rows() -> Iterator[dict]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield read_row(number, line, params)
                except ValueError as error:
                    bad.append((number, str(error), line))
                    print(f"line {number}: {error}", file=sys.stderr)

    for summaries in summarize_rows(rows(), params, base):
        print(json.dumps(summaries, ensure_ascii=False), flush=True)
    if bad:
        rejected.write_text("".join(line for _, _, line in bad), encoding="utf-8")
        print(f"{len(bad)} lines skipped, kept in {rejected}", file=sys.stderr)


def read_row(number: int, line: str, params: Params) -> dict:
    """`id` and `turns` of a JSONL line; `ValueError` says what is wrong with it."""
    try:
        # Without lone surrogates, the halves of emoji, which no output could hold.
        text = json.dumps(json.loads(line), ensure_ascii=False)
        row = json.loads(text.encode("utf-8", "ignore"))
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    turns = row.get("turns")
    if isinstance(row.get("conversation"), str):
        turns = parse_turns(row["conversation"])
    if not isinstance(turns, list):
        raise ValueError("needs `turns`, a list, or `conversation`, a text")
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get("text"), str):
            raise ValueError("each of `turns` needs a `text`")
        if not isinstance(turn.get("speaker"), str | None):
            raise ValueError("a `speaker` must be a text")
    if not clean(turns, params):
        raise ValueError("holds no words to summarise")
    return {"id": row.get("id", number), "turns": turns}


def parse_turns(text: str) -> list[dict]:
    """Turns of a plain text: a line that names a speaker opens one, other lines go on with it."""
    turns: list[dict] = []
    for line in text.splitlines():
        label = LABEL.match(line)
        if label or not turns:
            speaker = label[1].lower() if label else None
            turns.append({"speaker": speaker, "text": line[label.end() :] if label else line})
        else:
            turns[-1]["text"] += "\n" + line
    return turns


def clean(turns: list[dict], params: Params) -> list[dict]:
    import polars as pl

    from stages.cleaning.rules import clean_turns

    schema = {"speaker": pl.String, "text": pl.String}
    rows = [{"speaker": turn.get("speaker"), "text": turn["text"]} for turn in turns]
    return clean_turns(pl.DataFrame(rows, schema=schema), params.clean).to_dicts()


def conversations_of(rows: list[dict], params: Params) -> list[str]:
    """The conversations of rows whose turns have words left once cleaned."""
    import polars as pl

    from stages.format_prompts import render_conversations

    turn = pl.Struct({"speaker": pl.String, "text": pl.String})
    turns = pl.Series([clean(row["turns"], params) for row in rows], dtype=pl.List(turn))
    return render_conversations(turns).to_list()


def summarize_rows(rows: Iterable[dict], params: Params, base: bool) -> Iterator[dict]:
    """Yield `{"id", "tuned", "base"?}` a row, in order. Every row has words left once cleaned."""
    from stages.model.generation import summarize
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_base, load_tokenizer, load_tuned
    from stages.model.prepacked import prepack

    knobs = params.model
    hardware = choose_hardware(knobs.precision)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    models = {"tuned": load_tuned(load_base(BASE, knobs.quantization, hardware), ADAPTER)}
    if base:
        models["base"] = load_base(BASE, knobs.quantization, hardware)
    models = {name: prepack(model) for name, model in models.items()}
    rows = iter(rows)
    while batch := list(islice(rows, params.generate.batch_size)):
        texts = conversations_of(batch, params)
        made = {
            name: summarize(
                model, tokenizer, texts, params.format_prompts, params.generate, progress=False
            )
            for name, model in models.items()
        }
        for i, row in enumerate(batch):
            yield {"id": row["id"], **{name: written[i] for name, written in made.items()}}


if __name__ == "__main__":
    run(main)
