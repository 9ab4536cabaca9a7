"""The cleaning of conversation text: one code for training and for inference.

Every rule is a vectorised polars expression with a switch of the same name in `params.yaml`.
The regular expressions are RE2-like (no look-around) and mean the same to Python's `re`.
"""

import html
from collections import Counter

import polars as pl

from stages.cleaning.redaction import redact_column
from stages.params import Clean

URL = r"(?i)(?:https?://|www\.)\S+|<(?:link|url)>"
# The character before is kept: without it, the domain of an e-mail address would go as a handle.
HANDLE = r"(^|[^\w@])@\w+"
# ^JS anywhere, for tweets are joined; -Dee, /MB or ~Sam only where a turn ends.
SIGNATURE = r"\^\s?\w{1,12}|\s[-–—~*/]\s?(?:[A-Z]{1,3}|[A-Z][a-z]{1,11})\s*$"
SPECIAL = r"[^\w\s.,!?'%$£€:;/()+-]|_"
# Joiners and variation selectors hold emoji together; alone they are invisible, yet `\w`.
EMOJI_GLUE = "[\u200d\u20e3\ufe0e\ufe0f]"
ENTITY = r"&#?\w+;"


def clean_turns(
    turns: pl.DataFrame, switches: Clean, redacted: Counter | None = None
) -> pl.DataFrame:
    """Clean a flat table of turns and drop those in which nothing is left.

    `turns` has `speaker: str | null` and `text: str | null`, one turn a row, in order; any further
    columns (which row a turn belongs to) are carried along. `redacted` gains what was redacted, by
    kind.
    """
    text = pl.col("text")
    if switches.html_entities:
        # Few turns hold an entity, so these alone pay for a call into Python.
        coded = pl.when(text.str.contains(ENTITY)).then(text)
        decoded = coded.map_elements(html.unescape, return_dtype=pl.String)
        turns = turns.with_columns(text=pl.coalesce(decoded, text))
    if switches.urls:
        text = text.str.replace_all(URL, " ")
    if switches.redact:
        # After links, whose digits are nobody's, and before the rules that take apart an address.
        column, counts = redact_column(turns.select(text=text)["text"])
        turns, text = turns.with_columns(text=column), pl.col("text")
        if redacted is not None:
            redacted += counts
    if switches.signatures:
        signed = text.str.replace_all(SIGNATURE, " ")
        text = pl.when(pl.col("speaker") == "agent").then(signed).otherwise(text)
    if switches.handles:
        text = text.str.replace_all(HANDLE, "$1 ")
    gap = r"[^\S ]"  # white space but a space
    if switches.special_characters:
        # Typed and typographic quotes are one character to a reader, and should be to a tokenizer.
        text = text.str.replace_all("[’‘]", "'").str.replace_all(EMOJI_GLUE, "")
        gap = rf"{gap}|{SPECIAL}"
    # What goes and the white space around it in one pass; a single space, the usual case, is no match.
    text = text.str.replace_all(rf"(?: |{gap}){{2,}}|{gap}", " ").str.strip_chars()
    if switches.lowercase:
        text = text.str.to_lowercase()
    return turns.with_columns(text=text).filter(pl.col("text") != "")


def clean_reference(text: str) -> str:
    """A reference keeps its words, case and punctuation; entities and white space are mended."""
    return " ".join(html.unescape(text).split())


def redact_references(references: pl.Series, redacted: Counter) -> pl.Series:
    """References (lists of texts) redacted as turns are: what training teaches is not to leak."""
    lists = references.to_arrow()
    texts, counts = redact_column(pl.Series(lists.values, dtype=pl.String))
    redacted += counts
    return pl.Series(type(lists).from_arrays(lists.offsets, texts.to_arrow()))
