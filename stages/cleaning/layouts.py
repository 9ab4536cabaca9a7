"""From a source's conversations to turns, whatever layout `clean.columns` describes.

polars splits columns of texts and of plain objects; `nested` reads every other value one by one.
"""

import json

import polars as pl

from stages.cleaning.chat import split_chats
from stages.cleaning.instructions import without_answer
from stages.cleaning.nested import read_turns
from stages.cleaning.paths import BEGINS, decode, holds_texts, is_container, split_path, walk
from stages.common.cli import UserError
from stages.params import Columns

TURNS = {"row": pl.UInt32, "speaker": pl.String, "text": pl.String}
INSTRUCTIONS = ("system", "developer")  # who writes the first messages to a chat model


def select_conversations(table: pl.DataFrame, columns: Columns) -> pl.Series:
    """The conversation of each row of a raw table, as `split_turns` reads it."""
    if columns.conversation is None:
        sides = {"customer": columns.customer, "agent": columns.agent}
    elif columns.speaker and not columns.text:
        sides = {"speaker": columns.speaker, "text": columns.conversation}
    else:
        return reach(table, columns.conversation)
    return pl.DataFrame({name: reach(table, path) for name, path in sides.items()}).to_struct()


def reach(table: pl.DataFrame, path: str) -> pl.Series:
    """The column that a path begins with, or what lies at its end in each row, nested as JSON."""
    name, steps = split_path(path, table.columns)
    column = table[name]
    while steps and isinstance(column.dtype, pl.Struct) and steps[0] in column.struct.fields:
        column, steps = column.struct.field(steps[0]), steps[1:]
    if not steps:
        return column
    found = (walk(value, steps) for value in column.to_list())
    return pl.Series([as_cell(value) for value in found], dtype=pl.String)


def as_cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and not holds_texts(value):  # speakers may be numbers
        value = [item if item is None else json.dumps(item, default=str) for item in value]
    return json.dumps(value, ensure_ascii=False, default=str)


def split_turns(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """One turn a row: `row`, `speaker`, `text`, from any layout that `Columns` describes.

    `frame` has `row` and `conversation`. A text may be null where a turn has none, and a row that
    cannot be read has no turns; `UserError` says which setting to mend where no row can be read.
    """
    if columns.conversation is None:
        columns = columns.model_copy(update={"customer": "customer", "agent": "agent"})
    elif columns.speaker and not columns.text:
        columns = columns.model_copy(update={"speaker": "speaker", "text": "text"})
    frame = frame.select(pl.col("row").cast(pl.UInt32), "conversation").drop_nulls("conversation")
    column, turns = frame["conversation"], None
    inner = getattr(column.dtype, "inner", None)
    if column.dtype in (pl.String, pl.Null):
        return split_cells(frame.cast({"conversation": pl.String}), columns)
    if isinstance(column.dtype, pl.List) and inner == pl.String:
        if not columns.text and not columns.customer:
            turns = texts_alone(frame.explode("conversation").drop_nulls("conversation"))
    elif isinstance(column.dtype, pl.List) and isinstance(inner, pl.Struct):
        turns = split_objects(frame, columns)
    elif not isinstance(column.dtype, pl.List | pl.Array | pl.Struct):
        name = columns.conversation
        raise UserError(f"clean.columns.conversation {name!r} is {column.dtype}: no text")
    if turns is None:
        turns = read_values(frame["row"].to_list(), column.to_list(), columns)
    return finish(turns, columns)


def has_container(texts: pl.Series) -> pl.Series:
    """Whether each text may be a list or an object, whole or broken."""
    return texts.str.contains(rf"(?s)^\s*(?:\[.*\]|\{{.*\}})\s*$|^\s*(?:{BEGINS})")


def split_cells(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Turns of texts, most of which are the conversation and some a list or an object."""
    maybe = has_container(frame["conversation"])
    if not maybe.any():
        return split_texts(frame, columns)
    rows, values = frame["row"].filter(maybe).to_list(), frame["conversation"].filter(maybe)
    values = [decode(text) for text in values]
    # A text in brackets that is no list, such as "[10:00] Mira: hello [again]", is a text.
    nested = [not isinstance(v, str) or is_container(v) for v in values]
    held = [(row, v) for row, v, inside in zip(rows, values, nested, strict=True) if inside]
    texts = frame.filter(~pl.col("row").is_in([row for row, _ in held]))
    turns = read_values([row for row, _ in held], [v for _, v in held], columns, not len(texts))
    turns = finish(turns, columns)
    return pl.concat([turns, split_texts(texts, columns)]).sort("row", maintain_order=True)


def split_texts(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Turns of plain texts: of a chat, of a turn a line, or each text one turn."""
    separator = columns.speaker_separator
    if separator == "auto" or (separator is None and (columns.text or columns.customer)):
        return without_instructions(split_chats(frame))
    if separator is None:
        return texts_alone(frame)
    lines = frame.with_columns(pl.col("conversation").str.split("\n")).explode("conversation")
    parts = pl.col("conversation").str.splitn(separator, 2)
    lines = lines.with_columns(parts.struct.rename_fields(["speaker", "text"]))
    lines = lines.unnest("conversation")
    bare = pl.col("text").is_null()  # a line without a separator is all text
    return lines.with_columns(
        speaker=pl.when(bare).then(None).otherwise(pl.col("speaker").str.strip_chars()),
        text=pl.when(bare).then(pl.col("speaker")).otherwise(pl.col("text")),
    )


def texts_alone(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("row", speaker=pl.lit(None, dtype=pl.String), text="conversation")


def split_objects(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame | None:
    """Turns of lists of objects whose fields are texts; None where they are anything else."""
    flat = frame.explode("conversation").drop_nulls("conversation")
    types = {field.name: field.dtype for field in flat["conversation"].dtype.fields}
    names = [columns.customer, columns.agent] if columns.customer else [columns.text]
    names += [columns.speaker] if columns.speaker else []
    if any(types.get(name) not in (pl.String, pl.Null) for name in names):
        return None
    fields = {name: flat["conversation"].struct.field(name).cast(pl.String) for name in names}
    if any(has_container(fields[name]).any() for name in names):
        return None
    if not columns.customer:
        speaker = fields.get(columns.speaker, pl.lit(None, dtype=pl.String))
        return flat.select("row", speaker=speaker, text=fields[columns.text])
    # A customer's and an agent's turn of each pair, one after the other.
    turn = pl.int_range(2 * len(flat), eager=True)
    order = turn // 2 + turn % 2 * len(flat)
    speakers = pl.Series(["customer", "agent"], dtype=pl.String)
    return pl.DataFrame(
        [
            flat["row"].gather(turn // 2),
            speakers.gather(turn % 2).alias("speaker"),
            pl.concat(fields[name].alias("text") for name in names).gather(order),
        ]
    )


def read_values(
    rows: list[int], values: list, columns: Columns, need_one: bool = True
) -> pl.DataFrame:
    """Turns of values of Python; `UserError` where one is needed and none can be read."""
    turns, problem, understood = [], None, False
    for row, value in zip(rows, values, strict=True):
        try:
            turns += [(row, *turn) for turn in read_turns(value, columns)]
            understood = True
        except UserError as error:
            problem = problem or error
    if problem and need_one and not understood:
        raise problem
    return pl.DataFrame(turns, schema=TURNS, orient="row")


def finish(turns: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """What is no turn goes: a chat model's instruction, the summary that it answered; and a
    conversation that one message holds is split."""
    turns = turns.filter(pl.col("text").is_not_null())
    turns = without_instructions(turns)
    if any(path.startswith(f"{columns.conversation}[-1]") for path in paths_of(columns)):
        turns = without_answer(turns)
    if not columns.speaker_separator:
        return turns
    alone = (pl.len().over("row") == 1) | pl.col("speaker").is_null().all().over("row")
    texts = turns.filter(alone).group_by("row", maintain_order=True)
    texts = texts.agg(conversation=pl.col("text").str.join("\n"))
    split = [turns.filter(~alone), split_texts(texts, columns)]
    return pl.concat(split).sort("row", maintain_order=True)


def without_instructions(turns: pl.DataFrame) -> pl.DataFrame:
    """Turns without a system's first ones, which instruct a model, unless it speaks later, too."""
    if not turns["speaker"].is_in(INSTRUCTIONS).any():
        return turns
    instruction = pl.col("speaker").is_in(INSTRUCTIONS).fill_null(False)
    first = (~instruction).cast(pl.UInt32).cum_sum().over("row") == 0
    again = (instruction & ~first).any().over("row")  # then it takes part
    return turns.filter(~(instruction & first) | again)


def paths_of(columns: Columns) -> list[str]:
    """Where the references are; none at all in what is only to be summarised."""
    given = columns.references
    return [given] if isinstance(given, str) else list(given or ())
