"""Names that open a line of a chat before another mark than a colon: `[Mira] hello`, `Mira - hello`.

Such a mark opens lines of other texts, too, so what counts is how the whole text is written.
"""

import polars as pl

from stages.cleaning.chat_times import WHEN
from stages.cleaning.speaker_names import ROLE, is_seldom, may_be_name

# The name in brackets: <Mira> hello, [Mira]: hello, 【Mira】hello.
BRACKETED = (
    r"^\s*(?:<([^<>/\n]{0,20}\p{L}[^<>/\n]{0,30})>|\[([^\d\[\]\n][^\[\]\n]{0,40})\]|【([^【】\n]{1,40})】)"
    r"\s*[:：]?\s*(\S.*?)(?:</[^<>\n]{1,40}>)?\s*$"
)
NAME = r"[^\s:：\[\]<>|*()\t>»「][^:：\[\]<>|*\n\t>»「」()]{0,38}?"
# A name, maybe a time, and what stands before the words: a dash, a bar, an arrow, a tab; (Mira).
MARK = r"\s-{1,3}\s+|\s[–—|>»]\s+|[-–—]\s+|\s?(?:>>|->|=>|→)\s+|\t\s*|「"
MARKED = (
    rf"^\s*(?:({NAME})(?:\s*[\[(]{WHEN}[\])])?({MARK})"
    rf"|(\()({NAME})\)\s*|(\*\*)({NAME})\*\*\s+)([^\s].*?)\s*$"
)
CHEAP = r"^\s*[^\n]{1,60}?(?:[-–—|>»→]\s|\t|「)|^\s*(?:\(|\*\*)\pL"
SPEECH = r"^[\p{L}\pP\p{So}]"
SENTENCE = r"(?:\S+\s+){3}\S|\p{Lo}{5}"
NO_SPEECH = r"^[\[(]?\d{1,2}[:h]\d\d|^\p{Lu}[^:：\n]{0,30}[:：]\s"  # a time or another name


def with_colons(rows: pl.Series, lines: pl.Series) -> pl.Series:
    """Lines with a colon after the name that opens them, where another mark stands there."""
    return with_marks(rows, without_brackets(rows, lines))


def without_brackets(rows: pl.Series, lines: pl.Series) -> pl.Series:
    """Names in brackets, in texts where half of the lines and the first have some: `[photo] look`
    names nobody."""
    bracketed = lines.str.contains(BRACKETED)
    if not bracketed.any():
        return lines
    frame = pl.DataFrame({"row": rows, "line": lines, "is": bracketed})
    filled = pl.col("line").str.strip_chars() != ""
    count, first = pl.col("is").sum(), pl.col("is").filter(filled).first()
    usual = ((count > 1) & (2 * count >= filled.sum()) & first).over("row")
    named = pl.col("line").str.replace(BRACKETED, "$1$2$3: $4")
    return frame.select(pl.when(usual & pl.col("is")).then(named).otherwise("line"))["line"]


def with_marks(rows: pl.Series, lines: pl.Series) -> pl.Series:
    """Names before a mark, where the first line and at least half have names and the same mark, of
    two people or more, who speak again if there are lines without: a list of goods has none of it."""
    maybe = lines.str.contains(CHEAP)
    if not maybe.any():
        return lines
    frame = pl.DataFrame({"row": rows, "line": lines})
    groups = pl.when(pl.lit(maybe)).then("line").otherwise(None).str.extract_groups(MARKED)
    frame = frame.with_columns(groups.alias("groups")).unnest("groups")
    frame = frame.select(
        "row",
        "line",
        name=pl.coalesce("1", "4", "6").str.strip_chars(),
        mark=pl.coalesce("2", "3", "5").str.replace_all(r"\s+", " "),
        text=pl.col("7"),
    )
    filled = pl.col("line").str.strip_chars() != ""
    mark = pl.col("mark").filter(filled).first().over("row")
    fits = may_be_name(pl.col("name")) & (pl.col("mark") == mark)
    frame = frame.with_columns(fits=fits.fill_null(False))
    fits, name = pl.col("fits"), pl.col("name").filter(pl.col("fits"))
    count, people = fits.sum(), name.n_unique()
    text = pl.col("text").filter(fits)
    speech = (text.str.contains(SPEECH) & ~text.str.contains(NO_SPEECH)).mean() > 0.5
    # In a text of two lines, names may be written in any way if these are sentences.
    lower = name.str.contains(r"^\p{Ll}") & ~name.str.contains(rf"[@_\d]|(?i){ROLE}")
    sure = ~is_seldom(name).any() & ~lower.any()
    every = (count == filled.sum()) & (people == 2) & (sure | text.str.contains(SENTENCE).all())
    again = (2 * count >= filled.sum()) & (2 * people <= count + 1)
    first = fits.filter(filled).first()
    usual = (first & speech & (people > 1) & (every | again)).over("row").fill_null(False)
    text = pl.col("text").str.strip_suffix("」")
    text = pl.when(pl.col("mark") == "「").then(text).otherwise("text")
    named = pl.format("{}: {}", "name", text)
    line = pl.when(usual & pl.col("fits")).then(named).otherwise("line")
    return frame.select(line.alias("line"))["line"]
