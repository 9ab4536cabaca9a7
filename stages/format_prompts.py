"""format_prompts: from conversations to prompts, the text a model is given.

Reads `data/clean/{split}.parquet`, writes `data/prompts/{split}.parquet` with the columns `id`,
`prompt` and `references`, in batches and in bounded memory.
"""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

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
    template = load().format_prompts.template
    words = rows = 0
    with replacing(PROMPTS) as aside:
        aside.mkdir()
        for split in SPLITS:
            source = open_parquet(CLEAN / f"{split}.parquet", "run clean first")
            with pq.ParquetWriter(aside / f"{split}.parquet", SCHEMA) as writer:
                for batch in source.iter_batches(batch_size=BATCH):
                    frame = pl.from_arrow(batch)
                    prompts = render_prompts(frame["turns"], template)
                    table = frame.select("id", prompts.alias("prompt"), "references").to_arrow()
                    writer.write_table(table.cast(SCHEMA))
                    words += prompts.str.count_matches(r"[ \n]+").sum() + len(frame)
                    rows += len(frame)
    print(f"format_prompts: {rows} prompts of {words / rows:.0f} words on average")


if __name__ == "__main__":
    run(main)
