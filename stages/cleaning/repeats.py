"""Repeats: a conversation that stands in several rows of a split is one dialogue with the
references of all, and one that stands in an earlier split is dropped; ids become unique.

What is held is eight bytes for each conversation and id, and the references of repeats that stand
in another batch than the first of them.
"""

from collections import Counter

import polars as pl


class Repeats:
    """Of all splits: `start` one, then pass its batches."""

    def __init__(self):
        self.earlier: set[int] = set()
        self.here: set[int] = set()
        self.later: dict[int, list[str]] = {}  # references to add to a dialogue already written
        self.joined = 0

    def start(self) -> None:
        self.earlier |= self.here
        self.here = set()

    def sort(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """Rows of conversations not seen before, joined, and the ids of those of earlier splits.

        `rows` has `id`, `turns`, `references` and `key`, the fingerprint of the turns.
        """
        seen = pl.Series([key in self.earlier for key in rows["key"].to_list()], dtype=pl.Boolean)
        dropped, rows = rows.filter(seen)["id"], rows.filter(~seen)
        count = len(rows)
        if rows["key"].is_duplicated().any():
            together = pl.col("references").list.explode().unique(maintain_order=True)
            first = pl.col("id", "turns").first()
            rows = rows.group_by("key", maintain_order=True).agg(first, together)
        known = [key in self.here for key in rows["key"].to_list()]
        if any(known):
            again = pl.Series(known, dtype=pl.Boolean)
            for key, references in rows.filter(again).select("key", "references").iter_rows():
                self.later.setdefault(key, []).extend(references)
            rows = rows.filter(~again)
        self.joined += count - len(rows)
        self.here.update(rows["key"])
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
        self.seen: set[int] = set()
        self.times: Counter = Counter()

    def unique(self, ids: pl.Series) -> tuple[pl.Series, int]:
        """The ids, each new, and how many were changed."""
        hashes = ids.hash(seed=1).to_list()
        first = [h not in self.seen and not self.seen.add(h) for h in hashes]
        if all(first):
            return ids, 0
        new = [id_ if fresh else self.another(id_) for id_, fresh in zip(ids, first, strict=True)]
        return pl.Series(new, dtype=pl.String), len(first) - sum(first)

    def another(self, id_: str) -> str:
        while True:
            self.times[id_] += 1
            name = f"{id_}-{self.times[id_] + 1}"
            hashed = pl.Series([name]).hash(seed=1)[0]
            if hashed not in self.seen:
                self.seen.add(hashed)
                return name
