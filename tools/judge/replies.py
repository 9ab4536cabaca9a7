"""The replies of a judge, each asked for once: they are kept by what was asked.

A line of JSON a reply, written when it comes, so that a run that was killed goes on where it was.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from stages.common.atomic_io import disk_errors


class Reply(NamedTuple):
    text: str
    tokens_in: int | None  # as the server counts them; None where it does not
    tokens_out: int | None


class Replies:
    """The file with all replies, by the request's body: model, prompt, item and settings."""

    def __init__(self, path: Path):
        self.path, self.known = path, {}
        if path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    key, *reply = json.loads(line)
                    self.known[key] = Reply(*reply)
                except (ValueError, TypeError):  # the last line of a run that was killed
                    continue

    def get(self, body: dict) -> Reply | None:
        return self.known.get(fingerprint(body))

    def add(self, body: dict, reply: Reply) -> None:
        key = fingerprint(body)
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A line break first: the last line may be half of one.
            line = "\n" + json.dumps([key, *reply], ensure_ascii=False) + "\n"
            with open(self.path, "a", encoding="utf-8") as out:
                out.write(line)
        self.known[key] = reply


def fingerprint(body: dict) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
