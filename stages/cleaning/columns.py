"""Which columns of a raw table are the id, the conversation and the references, found in a sample."""

import polars as pl
import pyarrow.parquet as pq

from stages.cleaning.answers import holds_answer, without_answer
from stages.cleaning.conversations import ID, find_conversation, find_layout, listed
from stages.cleaning.guessing import NOTHING, leaves
from stages.cleaning.layouts import select_conversations, split_turns
from stages.cleaning.paths import split_path, walk
from stages.cleaning.reference_columns import find_references
from stages.cleaning.who_speaks import FEW_ROWS, share_with_speakers
from stages.common.cli import UserError
from stages.params import Columns

SAMPLE = 200  # rows


def settle_columns(columns: Columns | str, source: pq.ParquetFile) -> Columns:
    """`clean.columns` with what it leaves to be found, which is printed, read from a raw file."""
    if (
        columns != "auto"
        and "auto" not in columns.model_dump(exclude={"speaker_separator"}).values()
    ):
        return columns
    batch = next(source.iter_batches(batch_size=SAMPLE), None)
    if batch is None:
        raise UserError("clean.columns is auto and train has no rows to find columns in")
    found = find_columns(pl.from_arrow(batch), None if columns == "auto" else columns)
    known = {key: value for key, value in found.model_dump().items() if value is not None}
    print("clean: columns found:", ", ".join(f"{key}: {value}" for key, value in known.items()))
    sample = pl.DataFrame({"conversation": select_conversations(pl.from_arrow(batch), found)})
    if note := speakers_note(split_turns(sample.with_row_index("row"), found)):
        print(f"clean: {note}")
    return found


def speakers_note(turns: pl.DataFrame) -> str | None:
    """A sentence where conversations, of their `row`, `speaker`, `text`, lack two speakers: how
    they name them may not have been understood."""
    speakers = turns.group_by("row", maintain_order=True).agg(
        pl.col("speaker").drop_nulls().n_unique()
    )
    if not speakers["speaker"].sum():
        return "no speakers are found: if the texts or a field name them, see the layouts in docs/data.md"
    few = speakers.filter(pl.col("speaker") < 2)["row"]
    if len(few) <= FEW_ROWS * len(speakers):
        return None
    return (
        f"{len(few)} of {len(speakers)} conversations have fewer than two speakers, such as row"
        f" {few[0] + 1}: if they name more, see the layouts in docs/data.md"
    )


def find_columns(
    frame: pl.DataFrame, given: Columns | None = None, references: bool = True
) -> Columns:
    """The `Columns` of a raw table, from its first rows; keys of `given` that are not auto stay.

    Without `references` the table is only to be summarised, and they may be None. Raises
    `UserError`, which shows the columns, where it cannot tell.
    """
    rows = frame.head(SAMPLE)
    columns = {name: rows[name].to_list() for name in rows.columns}
    fixed = {} if given is None else {k: v for k, v in given.model_dump().items() if v != "auto"}
    paths = {
        path: values
        for name in columns
        for path, values in leaves([{name: v} for v in columns[name]], 4)
    }
    # A column whose name holds a dot is no path.
    if "conversation" in fixed:
        add_path(fixed["conversation"], paths, columns)
        layout = find_layout(fixed["conversation"], paths)
        layout = {key: layout.get(key) for key in NOTHING} | {
            k: fixed[k] for k in NOTHING if k in fixed
        }
        layout["conversation"] = fixed["conversation"]
    else:
        layout = find_conversation(paths, columns)
    found = NOTHING | layout
    found["id"] = fixed["id"] if "id" in fixed else find_id(columns)
    if "references" in fixed:
        found["references"] = fixed["references"]
    else:
        found["references"] = find_references(paths, found)
    if "conversation" not in fixed and holds_answer(paths, found):
        found |= without_answer(paths, columns, found)
    if found["references"] is None and references:
        raise UserError(
            f"no summaries are found: set clean.columns.references to one of {listed(frame.columns)}"
        )
    checked = Columns.model_validate(found | {"references": found["references"] or "none"})
    checked = checked.model_copy(update={"references": found["references"]})
    if one_message_each(rows, checked):
        return checked.model_copy(update={"speaker_separator": "auto"})
    return checked


def add_path(path: str | None, paths: dict[str, list], columns: dict[str, list]) -> None:
    """Add what lies at a path, into lists, too, such as calls[0].turns."""
    name, steps = split_path(path or "", columns)
    if name and path not in paths:
        paths[path] = [walk(value, steps) for value in columns[name]]


def one_message_each(rows: pl.DataFrame, columns: Columns) -> bool:
    """Whether chat messages have the conversation in one of them, as text with a turn a line."""
    if not columns.text or columns.speaker_separator:
        return False
    frame = pl.DataFrame({"conversation": select_conversations(rows, columns)})
    turns = split_turns(frame.with_row_index("row"), columns)
    single = not turns["row"].is_duplicated().any()
    return single and share_with_speakers(turns["text"].to_list()) >= 0.6


def find_id(columns: dict[str, list]) -> str | None:
    """The column that names rows: called id, or called so in part and different in each row."""
    for name, values in columns.items():
        if name.lower() == "id" and any(value is not None for value in values):
            return name
    for name, values in columns.items():
        known = [value for value in values if isinstance(value, str | int)]
        if ID.search(name) and known and len(set(known)) > 0.9 * len(values):
            return name
    return None
