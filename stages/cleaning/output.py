"""What clean writes: a table a split, and beside them every dropped row with its reason."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.cleaning.raw import BATCH
from stages.common.parquet import SPLITS, rows_at_a_time, write_parquet

TURN = pa.struct([("speaker", pa.string()), ("text", pa.string())])
SCHEMA = pa.schema(
    [("id", pa.string()), ("turns", pa.list_(TURN)), ("references", pa.list_(pa.string()))]
)
DROPPED = pa.schema([(name, pa.string()) for name in ("split", "id", "reason")])


class Output:
    """Tables of a folder, open until `close_splits` and `close`."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        self.writers = {s: write_parquet(folder / f"{s}.parquet", SCHEMA) for s in SPLITS}
        self.dropping = pq.ParquetWriter(folder / "dropped.parquet", DROPPED)
        self.counts: Counter = Counter()  # dialogues by split
        self.dropped: Counter = Counter()  # rows by reason

    def write(self, split: str, rows: pl.DataFrame) -> None:
        self.counts[split] += len(rows)
        self.writers[split].write_table(as_table(rows))

    def drop(self, split: str, ids: pl.Series, reasons: pl.Series | str) -> None:
        """`reasons` is one for all, or a column as long as `ids`."""
        if len(ids):
            reasons = (
                pl.Series([reasons]).new_from_index(0, len(ids))
                if isinstance(reasons, str)
                else reasons
            )
            self.dropped += Counter(reasons.to_list())
            rows = pl.DataFrame(
                {
                    "split": pl.Series([split]).new_from_index(0, len(ids)),
                    "id": ids,
                    "reason": reasons,
                }
            )
            self.dropping.write_table(rows.to_arrow().cast(DROPPED))

    def rewrite(self, split: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Pass a split that was written through a function of frames."""
        file, aside = self.folder / f"{split}.parquet", self.folder / "rewritten.parquet"
        self.counts[split] = 0
        with write_parquet(aside, SCHEMA) as writer:
            source = pq.ParquetFile(file, pre_buffer=False)
            for rows in source.iter_batches(batch_size=rows_at_a_time(source, BATCH)):
                changed = change(pl.from_arrow(rows))
                self.counts[split] += len(changed)
                writer.write_table(as_table(changed))
        aside.replace(file)

    def turns(self, split: str) -> pl.Series:
        """The turns of a split that is closed."""
        return pl.read_parquet(self.folder / f"{split}.parquet", columns=["turns"])["turns"]

    def close_splits(self) -> None:
        for writer in self.writers.values():
            writer.close()

    def close(self) -> None:
        self.dropping.close()


def as_table(rows: pl.DataFrame) -> pa.Table:
    return rows.select("id", "turns", "references").to_arrow().cast(SCHEMA)
