"""Ratings by a language model: the three questions that people get, put to a chat server.

    python -m tools.judge --url http://127.0.0.1:8000 --model NAME --dry-run
    python -m tools.judge --url https://api.example.com/v1 --model NAME --prices 0.15 0.60

Any server with OpenAI's protocol will do; OPENAI_API_KEY is sent where it is set. The prompt is
`tools/judge/prompt.md`. An interrupted run goes on where it was, and what was asked once is not
asked again. The judge is one more rater in `data/ratings.csv`, whose agreement with people is shown.
"""

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from stages.common.cli import UserError, run
from stages.params import Server
from tools.judge.asking import ask_all
from tools.judge.costs import Prices, counted, expected
from tools.judge.prompts import request
from tools.judge.replies import Replies
from tools.ratings.answers import JUDGE, QUESTIONS, save_answers
from tools.ratings.counting import count
from tools.ratings.items import SYSTEMS, read_items

REPLIES = Path("ratings/judge.jsonl")  # ignored by Git
CLEANED = Path("data/clean/cleaning.json")
LOCAL = {"localhost", "127.0.0.1", "::1"}


def main() -> None:
    args = parse()
    server = Server(
        url=args.url, model=args.model, concurrency=args.concurrency, patience_minutes=args.patience
    )
    items = read_items(tuple(args.systems), args.dialogues)
    bodies = [request(args.model, item, args.request) for item in items]
    replies, prices = Replies(REPLIES), args.prices and Prices(*args.prices)
    print(f"judge: {len(items)} items: {expected(bodies, replies, prices)}")
    warn(server.url)
    if args.dry_run:
        return
    answers = ask_all(server, bodies, replies)
    print(f"judge: {counted(bodies, replies, prices)}")
    if missing := answers.count(None):
        print(f"judge: {missing} items have no answer: twice the reply was not the JSON asked for")
    name, nothing = f"{JUDGE}{args.model}", dict.fromkeys(QUESTIONS)
    rated = {(item.id, name): a or nothing for item, a in zip(items, answers, strict=True)}
    save_answers(rated, replace=True)
    count()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.judge", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--url", required=True, help="of the server: https://host/v1")
    parser.add_argument("--model", required=True, help="the server's name for it")
    parser.add_argument("--dialogues", type=positive, default=50, help="of the test split; 50")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--concurrency", type=positive, default=8, help="requests at a time; 8")
    parser.add_argument(
        "--patience", type=positive, default=10, help="minutes with a busy server; 10"
    )
    parser.add_argument("--prices", nargs=2, type=float, help="of a million tokens in and out")
    parser.add_argument(
        "--request", type=mapping, default={}, help="more of it: '{\"temperature\": null}'"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be asked, and end")
    return parser.parse_args()


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def mapping(text: str) -> dict:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("it is no JSON object")
    return found


def warn(url: str) -> None:
    """Where conversations go. Raises `UserError` if the URL is none."""
    host = urlsplit(url).hostname if url.startswith(("http://", "https://")) else None
    if not host:
        raise UserError(f"--url {url} is no URL of a server: write https://host/v1")
    if host in LOCAL:
        return
    redacted = CLEANED.exists() and json.loads(CLEANED.read_text(encoding="utf-8"))["redact"]
    how = "private data replaced" if redacted else "private data NOT replaced (clean.redact)"
    print(f"judge: conversations leave this machine: {host} reads them, {how}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
