"""format_prompts: from conversations to prompts, the text a model is given.

Reads `data/clean/{split}.parquet`, writes `data/prompts/{split}.parquet` with the columns `id`,
`conversation` (a turn a line), `prompt` (the template around it) and `references`, in batches and
in bounded memory; and `usage.json`, what an adapter carries: cleaning and prompt. Chat models get
the conversation in their own template instead, see `stages.model.tokenization`.
"""

import json
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from stages.common.atomic_io import atomic_write, need, write_json
from stages.common.cli import run
from stages.common.languages import length_unit
from stages.common.parquet import SPLITS, open_parquet, rows_at_a_time, write_parquet
from stages.common.prefetch import prefetch
from stages.params import load

CLEAN = Path("data/clean")
PROMPTS = Path("data/prompts")
BATCH = 20_000  # rows
FEW = 1000  # dialogues
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "conversation", "prompt")),
        ("references", pa.list_(pa.string())),
    ]
)


def main() -> None:
    params = load().format_prompts
    format_batch = partial(to_prompts, template=params.template)
    length = rows = 0
    unit = None
    with atomic_write(PROMPTS) as aside:
        aside.mkdir()
        for split in SPLITS:
            source = open_parquet(CLEAN / f"{split}.parquet", "run clean first")
            with write_parquet(aside / f"{split}.parquet", SCHEMA) as writer:
                batches = source.iter_batches(batch_size=rows_at_a_time(source, BATCH))
                for table, sizes in prefetch(format_batch, batches):
                    writer.write_table(table)
                    # The first dialogues show which language all are in.
                    unit = unit or length_unit(pl.Series(table["conversation"].slice(0, FEW)))
                    length += sizes[unit]
                    rows += len(table)
        cleaning = need(CLEAN / "cleaning.json", "run clean first").read_text(encoding="utf-8")
        usage = {"cleaning": json.loads(cleaning), "prompt": params.model_dump()}
        write_json(aside / "usage.json", usage)
    print(f"format_prompts: {rows} prompts of {length / rows:.0f} {unit} on average")


def render_conversations(turns: pl.Series) -> pl.Series:
    """Each conversation as text, a turn a line.

    `turns` is a column of list<struct<speaker, text>>; a turn without a speaker is its bare text.
    Returns one string a row.
    """
    speaker, text = (pl.element().struct.field(name) for name in ("speaker", "text"))
    line = pl.when(speaker.is_null()).then(text).otherwise(speaker + ": " + text)
    return turns.list.eval(line).list.join("\n")


def to_prompts(batch: pa.RecordBatch, template: str) -> tuple[pa.Table, dict[str, int]]:
    """A batch of prompts, and how many words and characters are in them."""
    frame = pl.from_arrow(batch)
    conversations = render_conversations(frame["turns"])
    head, tail = template.split("{conversation}")
    prompts = head + conversations + tail
    columns = conversations.alias("conversation"), prompts.alias("prompt")
    table = frame.select("id", *columns, "references").to_arrow().cast(SCHEMA)
    # clean leaves no other white space, and no two of it side by side.
    gaps = prompts.str.count_matches("[ \n]").sum()
    characters = prompts.str.len_chars().sum() - gaps
    return table, {"words": gaps + len(frame), "characters": characters}


if __name__ == "__main__":
    run(main)
