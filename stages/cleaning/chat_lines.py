"""A chat's text with a turn a line and a colon after each name, however a program wrote that."""

from collections.abc import Callable

import polars as pl

ROLES = (
    "customer|agent|user|assistant|client|caller|operator|support|service|system|bot|human|admin"
    "|advisor|adviser|representative|rep|guest|visitor|staff|member|speaker|person|employee|team|desk"
    "|buyer|seller|shopper|consumer|end-user|chatbot|technician|interviewer|interviewee|doctor|patient"
)
ENDS = "\r\n?|\u2028|\u2029"
BREAKS = r"(?i)<br\s*/?>|</?(?:p|div|li|tr)(?:\s[^<>]*)?>"
ESCAPED = r"(?:\\r)?\\n"
# A name in brackets opens a line: <Mira> hello, [Mira]: hello.
BRACKETED = (
    r"^\s*(?:<([^<>/\n]{0,20}\p{L}[^<>/\n]{0,30})>|\[([^\d\[\]\n][^\[\]\n]{0,40})\])"
    r"\s*[:：]?\s*(\S.*?)(?:</[^<>\n]{1,40}>)?\s*$"
)
# A heading that is a role's name, a name between tabs after its time: Markdown, LINE.
HEADING = rf"(?im)^(?:#{{1,4}}\s+|\*\*)((?:{ROLES})(?:[ _-]?\d{{1,2}})?)(?:\*\*)?\s*$"
TABS = r"(?m)^(\d{1,2}:\d\d(?::\d\d)?(?:\s?[AP]M)?)\t([^\t\n]{1,40})\t"
# What stands between the turns of a text in one line, besides spaces.
BETWEEN = r"\s*(?:\||/{1,2}|;|__eo[tu]__)?\s+"
# A role's name within a line, written as the first in its text is: the agent in a sentence is none.
STYLES = [
    "|".join([*(f"{name[0].upper()}{name[1:]}" for name in ROLES.split("|")), ROLES.upper()]),
    ROLES,
]


def with_lines(texts: pl.Series) -> pl.Series:
    """Texts with a turn a line, where they are all in one or HTML and escapes write the ends."""
    texts = texts.str.replace_all(ENDS, "\n")
    texts = change_where(texts, BREAKS, lambda some: some.str.replace_all(BREAKS, "\n"))
    # Of a text in one line alone, for these may be a part of what somebody says.
    one_line = rf"^[^\n]*{ESCAPED}[^\n]*$"
    texts = change_where(texts, one_line, lambda some: some.str.replace_all(ESCAPED, "\n"))
    texts = change_where(texts, HEADING, lambda some: some.str.replace_all(HEADING, "$1:"))
    texts = change_where(texts, TABS, lambda some: some.str.replace_all(TABS, "$1 $2: "))
    for style in STYLES:
        role = rf"(?:(?:{style})(?:[ _-]?\d{{1,2}})?|#[A-Z][a-z]+_?\d{{1,2}}#)\s?:\s"
        two = rf"^\s*{role}[^\n]*\s{role}[^\n]*$"
        texts = change_where(texts, two, lambda some, role=role: split_line(some, role))
    return texts


def split_line(texts: pl.Series, role: str) -> pl.Series:
    texts = texts.str.replace_all(rf"{BETWEEN}({role})", "\n$1")
    return texts.str.replace(r"\s*__eo[tu]__\s*$", "")


def without_brackets(rows: pl.Series, lines: pl.Series) -> pl.Series:
    """Lines with a colon after the name that they open with in brackets, in texts where half of
    the lines and the first do: `[photo] look` names nobody."""
    bracketed = lines.str.contains(BRACKETED)
    if not bracketed.any():
        return lines
    frame = pl.DataFrame({"row": rows, "line": lines, "is": bracketed})
    filled = pl.col("line").str.strip_chars() != ""
    count, first = pl.col("is").sum(), pl.col("is").filter(filled).first()
    usual = ((count > 1) & (2 * count >= filled.sum()) & first).over("row")
    named = pl.col("line").str.replace(BRACKETED, "$1$2: $3")
    return frame.select(pl.when(usual & pl.col("is")).then(named).otherwise("line"))["line"]


def change_where(
    texts: pl.Series, sieve: str, change: Callable[[pl.Series], pl.Series], rest: str | None = ""
) -> pl.Series:
    """The texts, those changed that a cheap expression picks; the others null if `rest` is.

    `scatter` writes in place, so it is given a copy.
    """
    at = texts.str.contains(sieve).fill_null(False).arg_true()
    base = (
        texts.clone()
        if rest is not None
        else pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
    )
    return base.scatter(at, change(texts.gather(at))) if len(at) else base
