"""Repeats: a conversation that stands in several rows of a split is one dialogue with the
references of all, and one that stands in an earlier split is dropped; ids become unique.

What is held is eight bytes for each conversation and id, and the references of repeats that stand
in another batch than the first of them.
"""

from collections import Counter

import numpy as np
import polars as pl


class Hashes:
    """A set of 64-bit hashes, in few sorted arrays, each longer than the next: a `set` of Python's
    takes ten times the memory."""

    def __init__(self):
        self.parts: list[np.ndarray] = []

    def hold(self, hashes: pl.Series) -> pl.Series:
        """Whether each of a column is in the set."""
        values, found = hashes.to_numpy(), np.zeros(len(hashes), dtype=bool)
        order = np.argsort(values)  # for in order they are found faster
        wanted = values[order]
        for part in self.parts:
            found[order] |= part[part.searchsorted(wanted).clip(max=len(part) - 1)] == wanted
        return pl.Series(found)

    def add(self, hashes: pl.Series) -> None:
        new = hashes.to_numpy()
        while self.parts and len(self.parts[-1]) <= len(new):
            new = np.concatenate([self.parts.pop(), new])
        if len(new):
            self.parts.append(np.sort(new, kind="stable"))  # which merges what is in order


class Repeats:
    """Of all splits: `start` one, then pass its batches."""

    def __init__(self):
        self.earlier = Hashes()
        self.here = Hashes()
        self.later: dict[int, list[str]] = {}  # references to add to a dialogue already written
        self.joined = 0

    def start(self) -> None:
        for keys in self.here.parts:
            self.earlier.add(pl.Series(keys))
        self.here = Hashes()

    def sort(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """Rows of conversations not seen before, joined, and the ids of those of earlier splits.

        `rows` has `id`, `turns`, `references` and `key`, the fingerprint of the turns.
        """
        seen = self.earlier.hold(rows["key"])
        dropped, rows = rows.filter(seen)["id"], rows.filter(~seen)
        count = len(rows)
        if rows["key"].is_duplicated().any():
            together = pl.col("references").list.explode().unique(maintain_order=True)
            first = pl.col("id", "turns").first()
            rows = rows.group_by("key", maintain_order=True).agg(first, together)
        again = self.here.hold(rows["key"])
        if again.any():
            for key, references in rows.filter(again).select("key", "references").iter_rows():
                self.later.setdefault(key, []).extend(references)
            rows = rows.filter(~again)
        self.joined += count - len(rows)
        self.here.add(rows["key"])
        return rows, dropped

    def add_references(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows`, with `key`, and the references that came after them."""
        if not self.later:
            return rows
        more = {"key": list(self.later), "more": list(self.later.values())}
        schema = {"key": pl.UInt64, "more": pl.List(pl.String)}
        rows = rows.join(
            pl.DataFrame(more, schema=schema), on="key", how="left", maintain_order="left"
        )
        both = pl.concat_list("references", pl.col("more").fill_null([]))
        return rows.with_columns(references=both.list.unique(maintain_order=True)).drop("more")


class Ids:
    """Ids of one split, which gain a number, `-2`, where they stood before."""

    def __init__(self):
        self.seen = Hashes()
        self.given: set[str] = set()
        self.times: Counter = Counter()

    def unique(self, ids: pl.Series) -> tuple[pl.Series, int]:
        """The ids, each new, and how many were changed."""
        hashes = ids.hash(seed=1)
        first = hashes.is_first_distinct() & ~self.seen.hold(hashes) & ~ids.is_in(self.given)
        self.seen.add(hashes.filter(first))
        if first.all():
            return ids, 0
        new = [id_ if fresh else self.another(id_) for id_, fresh in zip(ids, first, strict=True)]
        return pl.Series(new, dtype=pl.String), len(first) - first.sum()

    def another(self, id_: str) -> str:
        while True:
            self.times[id_] += 1
            name = f"{id_}-{self.times[id_] + 1}"
            if name not in self.given and not self.seen.hold(pl.Series([name]).hash(seed=1))[0]:
                self.given.add(name)
                return name
