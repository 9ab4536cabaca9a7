"""Turns of a plain text: a transcript, or a chat as a phone exports it.

A turn opens with a speaker's name and a colon, maybe after a time stamp. A line that names nobody
belongs to the turn before it. A colon in a sentence, in a link or in a time names nobody.
"""

import polars as pl

from stages.cleaning.chat_heads import RULE, stands_above_the_chat, stands_above_the_times
from stages.cleaning.chat_lines import change_where, with_lines
from stages.cleaning.chat_marks import with_colons
from stages.cleaning.chat_times import CLOCK, SINCE, SPAN, SURE_WEEKDAY, WHEN, WHEN_AFTER_NAME
from stages.cleaning.mails import SURE
from stages.cleaning.speaker_names import NAMELIKE, SINGLE, likely_speakers

INVISIBLE = " *\t\u00a0\u200e\u200f\u202a\u202c\u202f\u2068\u2069"
MARKS = r"[\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}]*"
UNTIL = rf"(?:\s*(?:-{{1,2}}>?|[–—])\s*{CLOCK})?"  # of a transcript's line
STAMP = (
    rf"(?:[\[(<]\s*(?:{WHEN}{UNTIL}|{SPAN}|{SINCE})\s*[\])>]"
    rf"|(?:{WHEN}|{SPAN})(?:\s*[-–—|,]|\s))\s*(?:[-–—|]\s*)?"
)
OPENING = rf"^\s*{MARKS}{STAMP}{MARKS}"
MAY_OPEN = r"^[\s\pP\p{Cf}]*(?:\pL{1,12}\.?,?\s?){0,3}\d"  # a cheap sieve for it
NAMED = r"^\s*(?:\*\*)?(?P<name>[^\s:：*\[\](){}<>][^:：\n]{0,58})(?P<colon>[:：](?:\*\*)?)(?P<text>.*)$"
# A time between the name and the colon: "Mira [10:00]: hello".
TIMED = rf"^\s*(?P<name>[^\s:：\[\](){{}}<>][^:：\n]{{0,58}}?)\s*[\[(]{WHEN}[\])](?P<colon>\s?[:：])(?P<text>.*)$"
# A name and a time, and what was said in the lines below: Telegram and Slack write so.
HEADER = (
    rf"^\s*{MARKS}([^\s:：\[\](){{}}<>][^:：\n]{{0,58}}?),?\s+(?:[-–—|]\s+)?"
    rf"[\[(]?{WHEN_AFTER_NAME}[\])]?\s*$"
)
MAY_HEAD = r"^.{3,90}\d(?:.{0,5}[mM]\.?)?[\])]?\s*$"
ITEM = r"^(?:[-•–]|\d{1,3}[.)]|#{1,6}|(?i:turn|message)\s\d+\s?[-–.)|])\s+"  # of a list
SAYS = (
    r"(?i)\s(?:says|said|writes|wrote|sagte?|schrieb|a écrit|dit|dijo|dice|escribió|disse|escreveu"
    r"|ha scritto|scrive|zei|schreef|пишет|написала?|сказала?)$"
)
TO_ALL = r"(?i)^from\s+(.+?)\s+to\s+\S.*$"  # From Mira to Everyone


def split_chats(frame: pl.DataFrame) -> pl.DataFrame:
    """One turn a row: `row`, `speaker`, `text`, from texts: `row`, `conversation`.

    A text that names no speaker is one turn.
    """
    lines = frame.select("row", line=with_lines(frame["conversation"]).str.split("\n")).explode(
        "line"
    )
    lines = mark_speakers(lines.filter(pl.col("line").is_not_null()))
    first = pl.col("row") != pl.col("row").shift().fill_null(pl.lit(-1))
    opens = pl.col("speaker").is_not_null() | pl.col("stamped")
    turns = lines.with_columns(turn=(opens | first).cum_sum())
    turns = turns.group_by("turn", maintain_order=True).agg(
        pl.col("row").first(), pl.col("speaker").first(), pl.col("text").str.join("\n")
    )
    return turns.select("row", "speaker", pl.col("text").str.strip_chars()).filter(
        pl.col("text") != ""
    )


def parse_chat(text: str) -> list[dict]:
    """The turns of one text, each `{"speaker": name or None, "text"}`."""
    turns = split_chats(pl.DataFrame({"row": [0], "conversation": [text]}))
    return turns.select("speaker", "text").to_dicts()


def mark_speakers(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with the `speaker` whose turn each opens or null, its `text`, and whether it is
    `stamped`: opens with a time in a text where such lines name the speakers."""
    lines = find_names(lines)
    name, named, stamp = pl.col("name"), pl.col("name").is_not_null(), pl.col("stamp")
    # In a text in which most names stand behind a time, those lines alone open turns.
    lines = lines.with_columns(likely=likely_speakers(lines)).with_columns(
        likely=pl.col("likely") & ~stamp
    )
    if lines["line"].str.contains(RULE).any():
        lines = lines.with_columns(likely=pl.col("likely") & ~stands_above_the_chat())
    if "bare" in lines.columns:
        lines = lines.with_columns(likely=pl.col("likely") & ~stands_above_the_times())
    sure = pl.col("line").str.starts_with(SURE).any()
    stamped = (((stamp & named).sum() > pl.col("likely").sum()) | sure).over("row")
    # "Delivery 10:00" in a turn of who is named before a colon heads nothing.
    header = pl.col("header").is_not_null()
    headed = ~sure & (header.sum() > 1) & header.filter(header | pl.col("likely")).first()
    headed = headed.over("row").fill_null(False)
    speaker = (
        pl.when(headed)
        .then(pl.col("header"))
        .when(stamped)
        .then(pl.when(stamp).then(name))
        .when("likely")
        .then(name)
    )
    lines = lines.with_columns(speaker=speaker, stamped=stamped & stamp)
    text = (
        pl.when(pl.col("speaker").is_not_null())
        .then(pl.when(headed).then(pl.lit("")).otherwise(pl.col("text")))
        .when(headed & pl.col("line").str.contains(rf"^\s*(?:{CLOCK})\s*$"))
        .then(pl.lit(""))  # the time of a further message of the same person
        .when(pl.col("stamped"))  # a notice of the program, which nobody wrote
        .then(pl.col("rest"))
        .otherwise(pl.col("line"))
    )
    return lines.select("row", "speaker", text=text.str.strip_chars(), stamped="stamped")


def find_names(lines: pl.DataFrame) -> pl.DataFrame:
    """Of each line, whether it opens with a time (`stamp`), what follows that (`rest`), the `name`
    before its colon, the `text` behind it, and the `header` that it is."""
    line = lines["line"]
    rest = change_where(line, MAY_OPEN, lambda some: some.str.replace(OPENING, ""))
    rest = rest.str.strip_prefix(SURE)
    heads = with_colons(lines["row"], rest)
    parts = heads.str.extract_groups(NAMED).struct.unnest()
    timed = heads.str.contains(r"[\[(][^\])]{0,30}\d[:h]\d\d[^\])]{0,16}[\])](?:\*\*)?\s?[:：]")
    if timed.any():
        others = heads.str.extract_groups(TIMED).struct.unnest()
        parts = pl.concat([parts, others.rename(lambda name: f"{name}_timed")], how="horizontal")
        use = timed & others["name"].is_not_null()
        parts = parts.select(
            pl.when(use).then(f"{name}_timed").otherwise(name).alias(name)
            for name in ("name", "colon", "text")
        )
    lines = lines.with_columns(rest.alias("rest"), stamp=rest != line).with_columns(parts)
    if lines["stamp"].any():
        lines = lines.with_columns(stamp=pl.col("stamp") & of_one_shape(), bare=time_and_name())
    name, text = pl.col("name"), pl.col("text")
    spaced = text.str.contains(r"^\s|^$") | pl.col("colon").str.contains("：|\\*")
    # Not of a link, of a smiley, or of a time or a score.
    names_somebody = (
        ~text.str.starts_with("//")
        & (spaced | (text.str.contains(r"^[\p{L}\d\"'“¿¡]") & ~name.str.contains(r"\s$")))
        & ~(~spaced & name.str.contains(r"\d$") & text.str.contains(r"^\d"))
    )
    header = pl.lit(None, dtype=pl.String)
    if line.str.contains(MAY_HEAD).any():
        found = change_where(line, MAY_HEAD, lambda some: some.str.extract(HEADER, 1), None)
        header = pl.when(pl.lit(found).str.contains(NAMELIKE)).then(pl.lit(found))
    if "bare" in lines.columns:
        header = pl.when("bare").then(pl.col("rest").str.strip_chars(INVISIBLE)).otherwise(header)
    return lines.with_columns(
        name=pl.when(names_somebody).then(
            name.str.strip_chars(INVISIBLE)
            .str.replace(ITEM, "")
            .str.strip_chars(INVISIBLE)  # - **Mira**: hello
            .str.replace(TO_ALL, "$1")
            .str.replace(SAYS, "")
        ),
        header=header,
    ).with_columns(header=pl.when(~pl.col("stamp") | is_name_and_time()).then("header"))


def is_name_and_time() -> pl.Expr:
    """Whether what looks like a day of the week before a date is a name: Mira 2024-01-05 10:00."""
    alone = pl.col("rest").str.contains(rf"^(?:{CLOCK})?\s*$")
    weekday = pl.format("{} ", "header").str.contains(rf"(?i)^{SURE_WEEKDAY}$")
    return alone & ~weekday


def time_and_name() -> pl.Expr:
    """Whether a line has a time and a name alone, as all lines with a time in its text have, and
    what was said stands in the next: Teams writes so."""
    bare = pl.col("stamp") & pl.col("name").is_null()
    bare &= pl.col("rest").str.strip_chars(INVISIBLE).str.contains(f"{NAMELIKE}|{SINGLE}")
    bare &= ~pl.col("stamp").shift(-1).over("row").fill_null(True)
    alike = (bare == pl.col("stamp")).all() & (bare.sum() > 1)
    return bare & alike.over("row")


def of_one_shape() -> pl.Expr:
    """Whether a line's time is written as the first before a name in its text is: "10:30 is fine"
    is a time, too."""
    length = pl.col("line").str.len_chars().cast(pl.Int64) - pl.col("rest").str.len_chars()
    stamp = pl.col("line").str.head(length)
    stamp = stamp.str.replace_all(r"\p{Cf}", "")
    shape = stamp.str.replace_all(r"\d+", "0").str.replace_all(r"[\pL\s\x{202f}]+", "a")
    shape = shape.str.replace_all("(?:0a)+", "0a")  # 8s, 1m 30s
    used = pl.col("stamp") & pl.col("name").is_not_null()
    first = pl.when(used).then(shape).drop_nulls().first().over("row")
    return (shape == first).fill_null(False)
