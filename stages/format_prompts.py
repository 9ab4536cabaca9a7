"""format_prompts: from conversations to prompts, the text a model is given.

Reads `data/clean/{split}.parquet`, writes `data/prompts/{split}.parquet` with the columns `id`,
`prompt` and `references`, in batches and in bounded memory.
"""

from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.ahead import ahead
from stages.common.cli import run
from stages.common.files import SPLITS, open_parquet, replacing
from stages.common.params import load
from stages.common.prompts import render_prompts

CLEAN = Path("data/clean")
PROMPTS = Path("data/prompts")
BATCH = 20_000  # rows
SCHEMA = pa.schema(
    [("id", pa.string()), ("prompt", pa.string()), ("references", pa.list_(pa.string()))]
)


def main() -> None:
    format_batch = partial(to_prompts, template=load().format_prompts.template)
    words = rows = 0
    with replacing(PROMPTS) as aside:
        aside.mkdir()
        for split in SPLITS:
            source = open_parquet(CLEAN / f"{split}.parquet", "run clean first")
            with pq.ParquetWriter(aside / f"{split}.parquet", SCHEMA) as writer:
                for table, said in ahead(format_batch, source.iter_batches(batch_size=BATCH)):
                    writer.write_table(table)
                    words += said
                    rows += len(table)
    print(f"format_prompts: {rows} prompts of {words / rows:.0f} words on average")


def to_prompts(batch: pa.RecordBatch, template: str) -> tuple[pa.Table, int]:
    """A batch of prompts, and how many words are in them."""
    frame = pl.from_arrow(batch)
    prompts = render_prompts(frame["turns"], template)
    table = frame.select("id", prompts.alias("prompt"), "references").to_arrow().cast(SCHEMA)
    # clean leaves no other white space.
    return table, prompts.str.count_matches(r"[ \n]+").sum() + len(frame)


if __name__ == "__main__":
    run(main)
