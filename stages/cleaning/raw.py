"""Raw tables: which of their columns `clean.columns` names, and rows with an id, in batches."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from stages.cleaning.conversations import listed
from stages.cleaning.layouts import paths_of, select_conversations, split_turns
from stages.cleaning.paths import split_path
from stages.cleaning.references import read_references
from stages.common.cli import UserError
from stages.common.parquet import rows_at_a_time
from stages.params import Columns

BATCH = 20_000  # rows
TRIED = 1000  # rows that are read one by one to find those that cannot be


def columns_read(columns: Columns, names: Iterable[str], where: str | Path) -> list[str]:
    """The columns of a table that `columns` names, each once; `UserError` for one it has not.

    `where` is the file, or the split. Train's is to be read first: `auto` is what train has.
    """
    named = [("id", columns.id), ("conversation", columns.conversation)]
    named += [("references", path) for path in paths_of(columns)]
    if columns.conversation is None:
        named += [("customer", columns.customer), ("agent", columns.agent)]
    elif columns.speaker and not columns.text:
        named.append(("speaker", columns.speaker))
    found = {}
    for key, path in named:
        if path is None:
            continue
        name = split_path(path, names)[0]
        if name is None:
            lacking = path.split(".")[0].split("[")[0]
            if Path(where).stem != "train":
                raise UserError(
                    f"{where} has no column {lacking!r}, which train has: give all splits the same"
                    f" columns; these are {listed(names)}"
                )
            raise UserError(
                f"{where} has no column {lacking!r}: set clean.columns.{key} to one of"
                f" {listed(names)}, or to auto"
            )
        found[name] = None
    return list(found)


def read_batches(source: pq.ParquetFile, columns: Columns, where: Path, split: str) -> Iterator:
    """Yield frames of `id`, `conversation`, `references` from a raw file."""
    picked = columns_read(columns, source.schema_arrow.names, where)
    start = 0
    rows = rows_at_a_time(source, BATCH)
    for batch in source.iter_batches(batch_size=rows, columns=picked):
        table = pl.from_arrow(batch)
        numbers = pl.Series([f"{split}-{start + i + 1}" for i in range(len(table))])
        ids = table[columns.id].cast(pl.String) if columns.id in picked else numbers
        yield pl.DataFrame(
            {
                "id": ids.fill_null(numbers),
                "conversation": select_conversations(table, columns),
                "references": read_references(table, columns),
            }
        )
        start += len(table)


def unread_conversation(source: pq.ParquetFile, columns: Columns) -> str:
    """A sentence that says why conversations of a raw file cannot be read, and which rows have the
    first of them; may be empty."""
    picked = columns_read(
        columns.model_copy(update={"references": None}), source.schema_arrow.names, "train"
    )
    batch = next(source.iter_batches(batch_size=TRIED, columns=picked), None)
    if batch is None:
        return ""
    frame = pl.DataFrame({"conversation": select_conversations(pl.from_arrow(batch), columns)})
    frame, faults = frame.with_row_index("row", offset=1), {}
    for row in frame.iter_slices(1):
        try:
            split_turns(row, columns)
        except UserError as error:
            faults[row["row"][0]] = str(error)
    if not faults:
        return ""
    rows = ", ".join(map(str, list(faults)[:5])) + f" and {len(faults) - 5} more" * (
        len(faults) > 5
    )
    return f" In row {rows}: {next(iter(faults.values()))}"
