"""Summaries of an archive, a file after the other; what is finished is never done again."""

import argparse
import hashlib
import json
import sys
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

from stages.common.cli import Interrupted, UserError
from stages.common.resuming import sha256
from stages.params import Params
from stages.training.durations import in_words
from tools.summarize.engines import ADAPTER, as_trained
from tools.summarize.folder import Folder
from tools.summarize.shard import Outcome
from tools.summarize.shards import Shard, find_shards

if TYPE_CHECKING:
    from stages.model.usage import Usage


def summarize_archive(
    sources: list[str], out: str, params: Params, args: argparse.Namespace
) -> None:
    """Summarise what has no summaries in the folder `out` yet."""
    shards, others = find_shards(sources)
    usage, params = as_trained(params)
    if others:
        print(f"{len(others)} files are no tables and left out, such as {others[0]}")
    folder = Folder(out)
    folder.start(about(params, usage))
    waiting = folder.missing(shards)
    if len(waiting) < len(shards):
        print(f"{len(shards) - len(waiting)} of {len(shards)} files are summarised already")
    progress = Progress(waiting, len(shards))
    if args.engine == "ray":
        from tools.summarize.ray_engine import summarize_shards
    else:
        from tools.summarize.one_by_one import summarize_shards
    try:
        for outcome in summarize_shards(waiting, folder, params, usage, args, progress.add):
            progress.end(outcome)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {progress}, run the same again to go on") from None
    finally:
        progress.bar.close()
    print(f"summarize: {progress}, in {out}")
    if progress.rejected:
        print(f"summarize: {progress.rejected} rows are left out, see {out}/*.rejected.jsonl")
    if progress.unread:
        first, count = progress.unread[0], len(progress.unread)
        raise UserError(
            f"{count} of {len(shards)} files cannot be read: {first.why}; mend them or leave them"
            " out, and run the same again"
        )


def about(params: Params, usage: "Usage") -> dict[str, str]:
    """What decides the summaries: an archive is not summarised by two models."""
    digest = hashlib.sha256(usage.text().encode())
    for file in sorted(ADAPTER.glob("*.safetensors")):
        digest.update(sha256(file).encode())
    knobs = params.generate.model_dump(exclude={"server", "batch_size"})
    server = params.generate.server
    return {
        "adapter": digest.hexdigest(),
        "generate": json.dumps(knobs, sort_keys=True),
        "model": (server.model or "the only one of a server") if server else "the adapter",
    }


class Progress:
    """One line: files, conversations, their rate, and the time left by the bytes of the files."""

    def __init__(self, waiting: list[Shard], shards: int):
        self.shards, self.finished = shards, shards - len(waiting)
        self.bytes_left = sum(shard.size for shard in waiting)
        self.bytes_done = self.done = self.rejected = self.counted = 0
        self.unread: list[Outcome] = []
        self.started = time.monotonic()
        # A terminal redraws the line; a log file gets a new one each time.
        interval = 0.1 if sys.stderr.isatty() else 30
        self.bar = tqdm(unit=" conversations", desc="summarize", mininterval=interval)
        self.show()

    def add(self, rows: int) -> None:
        if not self.counted:  # what came before it was spent on loading the model
            self.bar.unpause()
            self.started = time.monotonic()
        self.counted += rows
        self.bar.update(rows)

    def end(self, outcome: Outcome) -> None:
        self.bytes_done += outcome.shard.size
        self.bytes_left -= outcome.shard.size
        self.done += outcome.done
        self.rejected += outcome.rejected
        if outcome.why:
            self.unread.append(outcome)
        else:
            self.finished += 1
        if self.counted < self.done:  # what another process did
            self.add(self.done - self.counted)
        self.show()

    def show(self) -> None:
        left = ""
        if self.bytes_done and self.bytes_left:
            seconds = (time.monotonic() - self.started) / self.bytes_done * self.bytes_left
            left = f", about {in_words(seconds)} left"
        self.bar.set_postfix_str(f"{self.finished} of {self.shards} files{left}", refresh=False)

    def __str__(self) -> str:
        return f"{self.done} conversations summarised, {self.finished} of {self.shards} files"
