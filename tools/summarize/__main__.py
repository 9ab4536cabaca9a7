"""Summarise new conversations with the tuned model, read, cleaned and prompted as in training.

    python -m tools.summarize chat.txt
    python -m tools.summarize chats.jsonl > summaries.jsonl
    python -m tools.summarize s3://bucket/chats 'more/*.csv.gz' --out summaries

A text is one conversation: a line a turn, opened by the speaker's name and a colon, or a chat as a
phone exports it. A table (.jsonl .ndjson .json .csv .tsv .parquet .xlsx, compressed or not) has a
conversation a row, where the training data had it, or in `turns` or `conversation`; `id` is
optional. `-` is standard input: a text, JSON, or CSV whose header has `id` or such a column. Rows
that cannot be read are named by number on stderr and written to FILE.rejected.

With --out, each file of the sources (files, folders, patterns, URLs) becomes a Parquet file of ids
and summaries in that folder, and its bad rows a file beside it. The same command goes on after a
file is finished, whatever stopped it.
"""

import argparse

from stages.common.atomic_io import need
from stages.common.cli import UserError, run
from stages.params import Params, Server, load
from tools.summarize.engines import ADAPTER, BASE

ENGINES = ("local", "ray")


def main() -> None:
    args = arguments()
    params = with_server(load(), args)  # first: it tells who runs this from another folder
    need(BASE, "run `make repro` first")
    need(ADAPTER, "run `make repro` first")
    if args.out:
        from tools.summarize.archive import summarize_archive

        summarize_archive(args.sources, args.out, params, args)
        return
    from tools.summarize.printing import print_file

    if len(args.sources) > 1:
        raise UserError("several files need --out FOLDER, where their summaries go")
    print_file(args.sources[0], args, params)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.summarize", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="- is standard input")
    parser.add_argument("--jsonl", action="store_true", help="it is JSON lines, whatever its name")
    parser.add_argument("--base", action="store_true", help="show the untuned model's beside it")
    parser.add_argument("--rejected", help="where bad rows go; default: FILE.rejected")
    parser.add_argument("--out", help="folder or URL: a Parquet file of summaries for each file")
    parser.add_argument("--engine", choices=ENGINES, default="local", help="ray: an actor a GPU")
    parser.add_argument("--address", help="of a Ray cluster; default: this machine")
    parser.add_argument("--actors", type=int, help="of Ray; default: one a GPU, or a few cores")
    parser.add_argument("--server", metavar="URL", help="an OpenAI-compatible server has the model")
    parser.add_argument("--model", help="its name there; default: the only one")
    parser.add_argument("--concurrency", type=int, default=64, help="requests in flight")
    args = parser.parse_args()
    args.sources = args.sources or ["-"]
    if args.base and (args.out or args.server):
        parser.error("--base is for one file and the local engine")
    return args


def with_server(params: Params, args: argparse.Namespace) -> Params:
    """`params` with the server that is asked for; without one the model runs here."""
    server = None
    if args.server:
        asked = {"url": args.server, "model": args.model, "concurrency": args.concurrency}
        server = Server.model_validate(asked | {"patience_minutes": 10})
    generate = params.generate.model_copy(update={"server": server})
    return params.model_copy(update={"generate": generate})


if __name__ == "__main__":
    run(main)
