"""Texts of a table that `clean.columns` leaves out: a part of the conversation may be among them."""

from statistics import mean

import polars as pl

from stages.cleaning.conversations import words
from stages.cleaning.guessing import leaves
from stages.cleaning.layouts import paths_of
from stages.params import Columns
from tools.inspect.settings import split_words

WORDS = 4  # more than these make a text
ROWS = 200  # that are looked at


def unread_texts(table: pl.DataFrame, columns: Columns) -> list[str]:
    """Paths to texts of several words that `columns` does not read, the longest first."""
    used = [columns.conversation, columns.customer, columns.agent, columns.id, *paths_of(columns)]
    used += [columns.speaker] if not columns.text else []
    tops = [path.split("[")[0] for path in used if path]
    found = {}
    for name in table.columns:
        for path, values in leaves([{name: value} for value in table[name].head(ROWS)], 4):
            length = mean(len(split_words(" ".join(words(value)))) for value in values)
            apart = not any(f"{path}.".startswith(f"{top}.") for top in tops)
            above = any(top.startswith(f"{path}.") for top in tops)
            if length > WORDS and apart and not above and path:
                found[path] = length
    longest = sorted(found, key=found.get, reverse=True)
    # Of an object the texts in it: a name such as source.body says what to look at.
    return [path for path in longest if not any(o.startswith(f"{path}.") for o in longest)]
