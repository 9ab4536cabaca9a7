"""Conversations of any file, read, cleaned and rendered by the code that did so for training.

The columns of the training data go first. A row that lacks them may have `turns` or
`conversation`; else the columns are found as clean finds them. What a text says of its speakers is
read as training read its texts.
"""

from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

import polars as pl

from stages.clean import clean_batch
from stages.cleaning.columns import find_columns
from stages.cleaning.layouts import select_conversations
from stages.cleaning.paths import decode, is_container, split_path, walk
from stages.cleaning.who_speaks import share_with_speakers
from stages.common.cli import UserError
from stages.format_prompts import render_conversations
from stages.params import Clean, Columns

OWN = ("turns", "conversation")  # where a row that is not as training's has its conversation
FIELDS = (("speaker", "text"), ("role", "content"))  # of a turn
UNREAD = {"references": "none"}  # nobody has written a summary yet
NO_COLUMNS = dict.fromkeys(Columns.model_fields)
SIDES = {"customer": "customer", "agent": "agent"}
EMPTY = {
    "without a conversation": "no conversation is found",
    "with empty turns": "holds no words to summarise",
}


class Rows(NamedTuple):
    """Some rows of a file, with what each is called in a message and what it was in the file."""

    ids: list
    places: list[str]
    names: list[tuple[str, ...]]  # the columns that each has
    raw: Callable[[int], str]
    table: Callable[[list[int]], pl.DataFrame]


class Conversation(NamedTuple):
    """A cleaned conversation: turns of `speaker` and `text`, and the text that a model is given."""

    turns: list[dict]
    text: str


def render(rows: Rows, clean: Clean) -> tuple[dict[int, str], dict[int, str]]:
    """The conversations as the model was trained to read them, and why the other rows have none,
    both by the number of the row."""
    found, faults = read_conversations(rows, clean)
    return {i: conversation.text for i, conversation in found.items()}, faults


def read_conversations(
    rows: Rows, clean: Clean, redacted: Counter | None = None
) -> tuple[dict[int, Conversation], dict[int, str]]:
    """The conversations of `render` with their turns; `redacted` gains what was, by kind."""
    read, faults = {}, {}

    def attempt(numbers: list[int], columns: Columns | None) -> None:
        try:
            table = rows.table(numbers)
            chosen = columns or choose(table, clean.columns)
            found, reasons = clean_table(table, chosen, clean, redacted)
        except UserError as error:
            faults.update(dict.fromkeys(numbers, str(error)))
            return
        except RecursionError:
            faults.update(dict.fromkeys(numbers, "it nests too deeply"))
            return
        read.update({numbers[i]: conversation for i, conversation in found.items()})
        faults.update({numbers[i]: EMPTY.get(why, why) for i, why in reasons.items()})

    every = range(len(rows.ids))
    if alike := [i for i in every if reaches(clean.columns, rows.names[i])]:
        attempt(alike, clean.columns)
    # Rows that are laid out otherwise, and rows that had others of another type beside them.
    others = sorted((i for i in every if i not in read), key=lambda i: rows.names[i])
    for _, same in groupby(others, key=lambda i: rows.names[i]):
        same = list(same)
        attempt(same, None)
        for number in same if len(same) > 1 else ():
            if number not in read:
                attempt([number], None)
    return read, {i: why for i, why in faults.items() if i not in read}


def clean_table(
    table: pl.DataFrame, columns: Columns, clean: Clean, redacted: Counter | None = None
) -> tuple[dict[int, Conversation], dict[int, str]]:
    """Conversations by row, and why the other rows have none."""
    frame = pl.DataFrame(
        {
            "id": pl.Series([str(i) for i in range(len(table))], dtype=pl.String),
            "conversation": select_conversations(table, columns),
            "references": pl.Series([["none"]] * len(table), dtype=pl.List(pl.String)),
        }
    )
    # Where training called its speakers so, a text may write Customer.
    roles = SIDES if clean.columns.customer and not clean.roles else clean.roles
    kept, malformed, counts = clean_batch(
        frame, clean.model_copy(update={"columns": columns, "roles": roles})
    )
    if redacted is not None:
        redacted += counts
    texts = render_conversations(kept["turns"])
    pairs = map(Conversation, kept["turns"].to_list(), texts)
    read = dict(zip(map(int, kept["id"]), pairs, strict=True))
    return read, {int(id_): why for id_, why in malformed.select("id", "reason").iter_rows()}


def reaches(columns: Columns, names: tuple[str, ...]) -> bool:
    """Whether rows with these columns have the conversation where training's had it."""
    paths = [columns.conversation] if columns.conversation else [columns.customer, columns.agent]
    return all(split_path(path, names)[0] for path in paths)


def choose(table: pl.DataFrame, trained: Columns) -> Columns:
    """The columns of rows that are not laid out as training's were."""
    there = trained.conversation and split_path(trained.conversation, table.columns)[0]
    own = next((name for name in (there, *OWN) if name in table.columns), None)
    if own and all(map(is_text, table[own].to_list())):
        return text_columns(trained, own)
    if own and (fields := turn_fields(table[own])):
        return Columns.model_validate(NO_COLUMNS | fields | {"conversation": own} | UNREAD)
    try:
        found = find_columns(table.select(own) if own else table, references=False)
    except UserError:
        needed = trained.conversation or f"{trained.customer} and {trained.agent}"
        raise UserError(
            "no conversation is found: it is `turns`, a list of speaker and text, `conversation`,"
            f" a text, or where training had it, {needed!r}"
        ) from None
    if not ends_with_summary(table, found):
        found = found.model_copy(update=UNREAD)
    return (
        found
        if found.text or found.customer or found.speaker
        else text_columns(trained, found.conversation)
    )


def ends_with_summary(table: pl.DataFrame, found: Columns) -> bool:
    """Whether messages are what a chat model was trained on: a transcript, and last its summary."""
    last = f"{found.conversation}[-1]"
    if not str(found.references).startswith(last):
        return False
    asked = walk_all(table, f"{found.conversation}[-2].{found.text}")
    return bool(asked) and share_with_speakers(asked) > 0.5


def walk_all(table: pl.DataFrame, path: str) -> list[str]:
    name, steps = split_path(path, table.columns)
    found = (walk(value, steps) for value in table[name].to_list())
    return [value for value in found if isinstance(value, str)]


def turn_fields(values: pl.Series) -> dict[str, str]:
    """Where turns have speaker and text, if all have them as chats of programs do; else empty."""
    turns = [turn for value in values.to_list() for turn in decode(value) or ()]
    objects = turns and all(isinstance(turn, dict) for turn in turns)
    for speaker, text in FIELDS if objects else ():
        if all(isinstance(turn.get(text), str | None) and text in turn for turn in turns):
            named = any(turn.get(speaker) for turn in turns)
            return {"text": text} | ({"speaker": speaker} if named else {})
    return {}


def text_columns(trained: Columns, name: str) -> Columns:
    """How a plain text in column `name` is read: as training read its own.

    Where training had turns as objects, a text's speakers are found as a chat's are.
    """
    structured = trained.text or trained.customer or trained.speaker
    separator = trained.speaker_separator or ("auto" if structured else None)
    values = {"conversation": name, "speaker_separator": separator}
    return Columns.model_validate(NO_COLUMNS | values | UNREAD)


def is_text(value: object) -> bool:
    return isinstance(value, str) and not is_container(value)


def render_text(text: str, clean: Clean) -> str:
    """The one conversation that a text is; `UserError` where it holds no words."""
    return read_conversation(text, clean).text


def read_conversation(text: str, clean: Clean, redacted: Counter | None = None) -> Conversation:
    """The conversation of `render_text` with its turns; `redacted` gains what was, by kind."""
    columns = text_columns(clean.columns, "text")
    found, _ = clean_table(pl.DataFrame({"text": [text]}), columns, clean, redacted)
    if not found:
        raise UserError("no words to summarise")
    return found[0]
