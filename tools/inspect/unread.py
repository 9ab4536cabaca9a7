"""What a table says that `clean.columns` leaves out: a part of the conversation may be among it."""

import re
from collections import Counter
from statistics import mean

import polars as pl

from stages.cleaning.answers import SHORT
from stages.cleaning.conversations import words
from stages.cleaning.guessing import TEXT, leaves
from stages.cleaning.layouts import paths_of
from stages.cleaning.paths import field
from stages.cleaning.references import read_references
from stages.cleaning.who_speaks import said
from stages.params import Columns
from tools.inspect.files import EITHER
from tools.inspect.files import WORDS as SPLIT_WORDS
from tools.inspect.order import objects
from tools.inspect.settings import split_words

WORDS = 4  # more than these make a text
ROWS = 200  # that are looked at
FEW = 0.01  # of the turns, which may have no text
SPLIT = re.compile(r"(?:data_?)?(?:split|set|subset|partition)", re.IGNORECASE)
# Which turns the customer never saw: fields of yes or no, and values of others.
INTERNAL = (
    (re.compile(r"(?:is_?)?(?:private|internal)(?:_?note)?|is_?note", re.IGNORECASE), "true|1"),
    (re.compile(r"(?:is|jsd)?_?public", re.IGNORECASE), "false|0"),
    (re.compile(r"visibility|audience", re.IGNORECASE), r"internal|private|agents?|staff"),
    (
        re.compile(r"(?:\w*_?type|kind|channel)", re.IGNORECASE),
        r"(?:(?:internal|private|agent|staff)[ _-]?)?note|(?:internal|private)[ _-]?(?:comment|message|reply)",
    ),
)


def unread_texts(table: pl.DataFrame, columns: Columns) -> list[str]:
    """Paths to texts of several words that `columns` does not read, the longest first."""
    used = [columns.conversation, columns.customer, columns.agent, columns.id, *paths_of(columns)]
    used += [columns.speaker] if not columns.text else []
    tops = [path.split("[")[0] for path in used if path]
    found = {}
    for name in table.columns:
        rows = [{name: value} for value in table[name].head(ROWS).to_list()]
        for path, values in leaves(rows, 4):
            length = words_in(values)
            apart = not any(f"{path}.".startswith(f"{top}.") for top in tops)
            above = any(top.startswith(f"{path}.") for top in tops)
            if length > WORDS and apart and not above and path:
                found[path] = length
    for path, values in leaves(turns_of(table, columns)):
        length = words_in([value for value in values if said(value)])
        if length > WORDS and not f"{columns.text}.".startswith(f"{path}."):
            found[f"{columns.conversation}[].{path}"] = length
    longest = sorted(found, key=found.get, reverse=True)
    # Of an object the texts in it: a name such as source.body says what to look at.
    return [path for path in longest if not any(o.startswith(f"{path}.") for o in longest)]


def words_in(values: list) -> float:
    """How many words the texts at a path have on average."""
    return mean(len(split_words(" ".join(words(value)))) for value in values) if values else 0


def turns_of(table: pl.DataFrame, columns: Columns) -> list[dict]:
    return [turn for turns in objects(table, columns).values() for turn in turns]


def silent_note(table: pl.DataFrame, columns: Columns) -> str | None:
    """A sentence where turns have no text but words in another field of theirs."""
    turns = turns_of(table, columns)
    silent = [turn for turn in turns if not said(field(turn, columns.text)).strip()]
    other = Counter(
        path
        for turn in silent
        for path, values in leaves([turn])
        if TEXT.search(path.split(".")[-1]) and path != columns.speaker and said(values[0]).strip()
    )
    if not other or other.most_common(1)[0][1] <= FEW * len(turns):
        return None
    path, count = other.most_common(1)[0]
    return (
        f"{len(silent)} of {len(turns)} turns have nothing in {columns.text!r}, and are left out;"
        f" {count} of them have words in {path!r}: put what was said into one field"
    )


def internal_note(table: pl.DataFrame, columns: Columns) -> str | None:
    """A sentence where a field of turns marks some as internal notes, which are read as the rest."""
    turns = [turn for turn in turns_of(table, columns) if said(field(turn, columns.text)).strip()]
    for path, values in leaves(turns):
        for name, marks in INTERNAL:
            if path == columns.speaker or not name.fullmatch(path.split(".")[-1]):
                continue
            found = [v for v in values if re.fullmatch(marks, str(v), re.IGNORECASE)]
            if 0 < len(found) < len(turns):
                return (
                    f"{len(found)} of {len(turns)} turns are internal notes by {path!r}"
                    f" ({found[0]}) and are read as said to the customer: take them out first"
                )
    return None


def answer_note(turns: pl.DataFrame, table: pl.DataFrame, columns: Columns) -> str | None:
    """A sentence where some conversations, of their `row` and `text`, contain their summary."""
    references = read_references(table, columns).to_list()
    said = turns.group_by("row", maintain_order=True).agg(pl.col("text").str.join(" "))
    held = []
    for row, text in said.iter_rows():
        summary, words = (" ".join(t.split()) for t in ((references[row] or [""])[0], text))
        held += [row + 1] if len(summary) > SHORT and summary in words else []
    if len(held) <= FEW * len(said):
        return None
    return (
        f"{len(held)} of {len(said)} conversations contain their summary, such as row {held[0]}: the"
        " model would be given its answer, so take it out"
    )


def split_note(table: pl.DataFrame) -> str | None:
    """A sentence where a column says which split a row is of."""
    known = re.compile("|".join([*SPLIT_WORDS.values(), EITHER]), re.IGNORECASE)
    for name in filter(SPLIT.fullmatch, table.columns):
        values = sorted({str(value) for value in table[name].drop_nulls()})
        if len(values) > 1 and all(map(known.fullmatch, values)):
            return (
                f"the column {name!r} says {', '.join(values)} and is not read, so that all rows are"
                " trained on: write a file for each split, such as train.csv and test.csv"
            )
    return None
