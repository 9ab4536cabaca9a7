"""What clean and format_prompts make of some rows: the stages themselves, in a folder that is
removed after."""

from collections import Counter
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from stages import clean, format_prompts
from stages.cleaning.layouts import select_conversations, split_turns
from stages.cleaning.raw import columns_read
from stages.cleaning.references import read_references
from stages.cleaning.splits import EmptySplit
from stages.common.parquet import SPLITS
from stages.params import Columns, Params

SHOWN = 3  # conversations
SOME = 2000  # rows whose speakers are counted


@dataclass
class Look:
    prompts: dict[str, pl.DataFrame]  # `id`, `conversation`, `prompt`, `references` by split
    facts: str  # what clean prints of itself
    dropped: pl.DataFrame  # `split`, `id`, `reason`
    rows: int
    holdout: float | None  # a `clean.holdout` that fills each split, if that of `params` does not

    @property
    def references(self) -> list[list[str]]:
        return self.prompts["train"]["references"].to_list()

    def malformed(self) -> float:
        """Share of the rows that cannot be understood."""
        bad = self.dropped.filter(~pl.col("reason").is_in(clean.REPEATED))
        return len(bad) / self.rows


def look(tables: dict[str, pa.Table], params: Params) -> Look:
    """Run the stages on raw tables by split."""
    settings = params.model_dump(mode="json")
    settings["clean"]["max_malformed"] = 1.0  # a share that is too large is told, not refused
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(StringIO()) as printed:
        Path("data/raw").mkdir(parents=True)
        for split in SPLITS:
            table = tables.get(split, tables["train"].schema.empty_table())
            pq.write_table(table, f"data/raw/{split}.parquet")
        Path("params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        holdout = run_clean(settings)
        format_prompts.main()
        prompts = {s: pl.read_parquet(f"data/prompts/{s}.parquet") for s in SPLITS}
        dropped = pl.read_parquet("data/clean/dropped.parquet")
    facts = printed.getvalue().splitlines()
    rows = sum(table.num_rows for table in tables.values())
    return Look(
        prompts, next(f for f in facts if f.startswith("clean: train")), dropped, rows, holdout
    )


def run_clean(settings: dict) -> float | None:
    """Run clean, with another `clean.holdout` where a split would be empty: that is returned."""
    try:
        clean.main()
    except EmptySplit as error:
        if error.holdout is None:
            raise
        settings["clean"]["holdout"] = error.holdout
        Path("params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        clean.main()
        return error.holdout
    return None


def raw_turns(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """`row`, `speaker`, `text` as the data has them."""
    conversations = select_conversations(table, columns)
    return split_turns(pl.DataFrame({"conversation": conversations}).with_row_index("row"), columns)


def speakers(tables: dict[str, pa.Table], columns: Columns) -> Counter:
    """How many turns each has, in the first rows of all splits: a role that test alone names is to
    be mapped as those of train are."""
    turns = []
    for split, table in tables.items():
        columns_read(columns, table.column_names, split)  # a `UserError` for one that it has not
        turns.append(raw_turns(pl.from_arrow(table).head(SOME), columns).select("speaker"))
    counts = pl.concat(turns)["speaker"].value_counts()
    return Counter(dict(counts.sort("count", "speaker", descending=[True, False]).iter_rows()))


def examples(table: pl.DataFrame, params: Params) -> list[tuple[str, str, list[str]]]:
    """The first conversations that clean keeps: as they are, as prompts, and their references."""
    columns, some = params.clean.columns, table.head(50)
    frame = pl.DataFrame(
        {
            "id": pl.Series([str(row) for row in range(len(some))]),
            "conversation": select_conversations(some, columns),
            "references": read_references(some, columns),
        }
    )
    kept, _, _ = clean.clean_batch(frame, params.clean)
    before = raw_turns(some, columns)
    after = format_prompts.render_conversations(kept["turns"])
    head, tail = params.format_prompts.template.split("{conversation}")
    found = []
    for id_, text, references in zip(kept["id"], after, kept["references"], strict=True):
        turns = before.filter(pl.col("row") == int(id_))
        lines = [
            f"{s}: {t}" if s else str(t) for s, t in turns.select("speaker", "text").iter_rows()
        ]
        found.append(("\n".join(lines), head + text + tail, list(references)))
    return found[:SHOWN]
