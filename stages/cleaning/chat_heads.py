"""Lines about a chat above it, such as "Channel: orders" and "Agent: Tom": nobody says them."""

import polars as pl

from stages.cleaning.speaker_names import ROLE_ALONE, is_before_few_words

RULE = r"^[\s\pP=]*$"  # a line that is empty or drawn


def stands_above_the_chat() -> pl.Expr:
    """Whether a line with a colon is one of a block that an empty line or a rule ends. The first of
    its names and most others come once and are no roles; those below speak again or are roles."""
    name = pl.col("name")
    inside = ((name.is_null() | pl.col("stamp")).cum_sum() == 0).over("row")
    odd = inside & is_once() & ~name.str.contains(ROLE_ALONE) & is_before_few_words()
    ends = pl.col("line").filter(~inside).first().str.contains(RULE)
    block = (inside.sum() > 1) & odd.first() & (2 * odd.sum() > inside.sum()) & ends
    people = name.filter(pl.col("likely") & ~inside)
    roles = (people.len() > 1) & people.str.contains(ROLE_ALONE).all()
    return (inside & (block & (speak_again(people) | roles)).over("row")).fill_null(False)


def stands_above_the_times() -> pl.Expr:
    """Whether a line such as "Channel: orders" stands above a chat in which a time opens each turn:
    nobody is named without a time below the first, and who is named with one speaks again."""
    opens = pl.col("bare") | (pl.col("stamp") & pl.col("name").is_not_null())
    above = (opens.cum_sum() == 0).over("row")
    heads = above & is_once() & (~pl.col("name").str.contains(ROLE_ALONE) | is_before_few_words())
    alone = ~(pl.col("likely") & ~heads).any()
    people = pl.coalesce("header", "name").filter(opens)
    return (heads & (alone & speak_again(people)).over("row")).fill_null(False)


def is_once() -> pl.Expr:
    return pl.len().over("row", "name") == 1


def speak_again(people: pl.Expr) -> pl.Expr:
    return (people.len() > 1) & (2 * people.n_unique() <= people.len() + 1)
