"""Repeats: a conversation that stands in several rows of a split is one dialogue with the
references of all, and one that stands in an earlier split is dropped; ids become unique.

What is held is eight bytes for each conversation and id, and the references of repeats that stand
in another batch than the first of them; all of it on disk where it is much.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from stages.cleaning.sorted_runs import Runs

COUNTED = 100_000  # repeated ids whose last number is remembered


class Repeats:
    """Of all splits: `start` one, then pass its batches. What is on disk is in `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.earlier, self.here = Runs(folder), Runs(folder)
        self.later = Later(folder)  # references to add to a dialogue already written
        self.joined = 0

    def start(self) -> None:
        for run in self.here.runs:
            self.earlier.add_run(run)
        self.here = Runs(self.folder)

    def sort(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """Rows of conversations not seen before, joined, and the ids of those of earlier splits.

        `rows` has `id`, `turns`, `references` and `key`, the fingerprint of the turns.
        """
        seen = pl.Series(self.earlier.hold(rows["key"].to_numpy()))
        dropped, rows = rows.filter(seen)["id"], rows.filter(~seen)
        count = len(rows)
        if rows["key"].is_duplicated().any():
            together = pl.col("references").list.explode().unique(maintain_order=True)
            first = pl.col("id", "turns").first()
            rows = rows.group_by("key", maintain_order=True).agg(first, together)
        again = pl.Series(self.here.hold(rows["key"].to_numpy()))
        if again.any():
            self.later.add(rows.filter(again))
            rows = rows.filter(~again)
        self.joined += count - len(rows)
        self.here.add(rows["key"].to_numpy())
        return rows, dropped

    def add_references(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows`, with `key`, and the references that came after them."""
        more = pl.DataFrame(
            self.later.of(rows["key"]), schema={"key": pl.UInt64, "more": pl.List(pl.String)}
        )
        rows = rows.join(more, on="key", how="left", maintain_order="left")
        both = pl.concat_list("references", pl.col("more").fill_null([]))
        return rows.with_columns(references=both.list.unique(maintain_order=True)).drop("more")


class Later:
    """References by the key of their conversation, in a file without a name."""

    def __init__(self, folder: Path):
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.places = Runs(folder, np.int64)  # of each line by key

    def __bool__(self) -> bool:
        return bool(self.places.runs)

    def add(self, rows: pl.DataFrame) -> None:
        places = []
        for references in rows["references"].to_list():
            places.append(self.file.tell())
            self.file.write(json.dumps(references).encode() + b"\n")
        self.places.add(rows["key"].to_numpy(), np.array(places, np.int64))

    def of(self, keys: pl.Series) -> dict[str, list]:
        """Those of the keys that there are references for, and the references of each."""
        found: dict[int, list[str]] = {}
        for starts, ends, places in self.places.find(keys.to_numpy()):
            for i in np.flatnonzero(ends > starts):
                for place in places[starts[i] : ends[i]]:
                    self.file.seek(place)
                    found.setdefault(keys[int(i)], []).extend(json.loads(self.file.readline()))
        return {"key": list(found), "more": list(found.values())}


class Ids:
    """Ids of one split, which gain a number, `-2`, where they stood before."""

    def __init__(self, folder: Path):
        self.seen = Runs(folder)
        self.given: set[str] = set()  # in this batch
        self.times: Counter = Counter()

    def unique(self, ids: pl.Series) -> tuple[pl.Series, int]:
        """The ids, each new, and how many were changed."""
        hashes = hashed(ids)
        first = pl.Series(~self.seen.hold(hashes)) & pl.Series(hashes).is_first_distinct()
        self.seen.add(hashes[first.to_numpy()])
        if first.all():
            return ids, 0
        new = [id_ if fresh else self.another(id_) for id_, fresh in zip(ids, first, strict=True)]
        self.seen.add(hashed(pl.Series(list(self.given))))
        self.given.clear()
        return pl.Series(new, dtype=pl.String), len(first) - first.sum()

    def another(self, id_: str) -> str:
        if len(self.times) > COUNTED:
            self.times.clear()  # then the numbers are tried from 2 on, with the same result
        while True:
            self.times[id_] += 1
            name = f"{id_}-{self.times[id_] + 1}"
            if name not in self.given and not self.seen.hold(hashed(pl.Series([name])))[0]:
                self.given.add(name)
                return name


def hashed(ids: pl.Series) -> np.ndarray:
    return ids.hash(seed=1).to_numpy()
