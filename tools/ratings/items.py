"""What is rated: a summary beside its conversation, in an order that does not tell whose it is.

There is no key to keep: which systems wrote a summary is looked up in the data whenever it is needed,
for an item is named by what it holds.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from stages.common.atomic_io import need
from stages.common.fingerprints import fingerprints
from stages.score import CLEAN, read_summaries

SYSTEMS = ("base", "tuned", "reference")


@dataclass(frozen=True)
class Item:
    """One summary of one conversation.

    `id` is a fingerprint of both: another summary is another item. `of` has the dialogues and systems
    whose summary it is, more than one where they are the same, word for word.
    """

    id: str
    turns: list[dict]  # speaker (may be null) and text
    summary: str
    of: tuple[tuple[str, str], ...]  # dialogue and system

    @property
    def conversation(self) -> str:
        """A line a turn."""
        turns = ((turn["speaker"], turn["text"]) for turn in self.turns)
        return "\n".join(f"{speaker}: {text}" if speaker else text for speaker, text in turns)


def read_items(systems: tuple[str, ...] = SYSTEMS, dialogues: int | None = None) -> list[Item]:
    """The items of the test split in their random order, the same one on every machine.

    `dialogues`: of so many of its dialogues, those with the lowest fingerprints, which are some of
    those of any higher number. Of several references the first is taken. Raises `UserError` where the
    data or the summaries are missing.
    """
    import polars as pl

    rows = pl.read_parquet(need(CLEAN, "run `dvc repro` or `dvc pull`"))
    ids, turns = rows["id"].to_list(), rows["turns"].to_list()
    texts = {
        name: [references[0] for references in rows["references"]]
        if name == "reference"
        else read_summaries(name, ids)
        for name in systems
    }
    keys = fingerprints(
        pl.Series([" ".join(t["text"] for t in some) for some in turns], dtype=pl.String)
    )
    chosen = sorted(range(len(ids)), key=lambda i: (keys[i], ids[i]))[:dialogues]
    found: dict[str, Item] = {}
    for i in chosen:
        for name in systems:
            id_ = item_id(turns[i], texts[name][i])
            before = found[id_].of if id_ in found else ()
            found[id_] = Item(id_, turns[i], texts[name][i], (*before, (ids[i], name)))
    return [found[id_] for id_ in sorted(found)]


def item_id(turns: list[dict], summary: str) -> str:
    """A letter, so that no spreadsheet takes it for a number, and 64 bits of what is read."""
    said = [[turn["speaker"], turn["text"]] for turn in turns]
    text = json.dumps([said, " ".join(summary.split())], ensure_ascii=False)
    return "i" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def summary_file(system: str) -> Path:
    return Path(f"data/summaries/{system}.jsonl")
