"""Turns of a plain text: a transcript, or a chat as a phone exports it.

A turn opens with a speaker's name and a colon, maybe after a time stamp. A line that names nobody
belongs to the turn before it. A colon in a sentence, in a link or in a time names nobody.
"""

import polars as pl

ROLES = (
    "customer|agent|user|assistant|client|caller|operator|support|service|system|bot|human|admin"
    "|advisor|adviser|representative|rep|guest|visitor|staff|member|speaker|person|employee|team|desk"
    "|buyer|seller|shopper|consumer|end-user|chatbot|technician|interviewer|interviewee|doctor|patient"
)
# What opens a line in a message and is no name.
NO_NAMES = (
    "note|notes|ps|p\\.s|p\\.s\\.|update|edit|address|phone|tel|mobile|email|e-mail|mail|subject|re|fwd"
    "|total|price|date|time|order|number|no|name|link|url|website|https?|ftp|mailto|tracking|reference"
    "|reason|error|warning|question|answer|q|a|example|details|status|result|results|summary|code|model"
    "|version|amount|account|password|username|attention|important|also|tldr|tl;dr|nb|fyi|eta"
)
INVISIBLE = " \t\u00a0\u200e\u200f\u202a\u202c\u202f\u2068\u2069"
MARKS = r"[\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}]*"
HALF = r"(?:[ap]\.?[\s\x{202f}]?m\b\.?|上午|下午|午前|午後|오전|오후|ص|م)"
CLOCK = (
    rf"(?:{HALF}\s?)?\d{{1,2}}[:h]\d{{2}}(?::\d{{2}})?(?:[.,]\d{{1,6}})?"
    rf"(?:[\s\x{{202f}}]?{HALF})?(?:\s?(?:Z|UTC|GMT)|\s?[+-]\d{{2}}:?\d{{2}})?"
)
DATE = (
    r"(?:\d{1,4}\s?[./-]\s?\d{1,2}\s?[./-]\s?\d{1,4}\.?"
    r"|\d{4}\s?[年년]\s?\d{1,2}\s?[月월]\s?\d{1,2}\s?[日일]"
    r"|\d{1,2}\.?\s(?:de\s)?\p{L}{3,12}\.?(?:\sde)?,?\s\d{2,4}|\p{L}{3,12}\.?\s\d{1,2},?\s\d{4})"
)
# A date allows for a time with a point, "1.2.2024 klo 10.00", and for none.
WHEN = (
    rf"(?i:{DATE}(?:[,،T]?\s{{0,2}}(?:\p{{L}}{{1,4}}\.?\s)?(?:{CLOCK}|\d{{1,2}}\.\d{{2}}(?:\.\d{{2}})?))?"
    rf"|{CLOCK}(?:,?\s{DATE})?)"
)
STAMP = rf"(?:[\[(<]\s*{WHEN}\s*[\])>]|{WHEN}(?:\s*[-–—|,]|\s))\s*(?:[-–—|]\s*)?"
NAME = r"[^\s:：\[\](){}<>][^:：\n]{0,58}?"
LINE = (
    rf"^\s*{MARKS}(?P<stamp>{STAMP})?{MARKS}(?:\*\*)?(?P<name>{NAME})??(?:\*\*)?"
    rf"(?:\s*[\[(]{WHEN}[\])])?(?P<colon>\s?[:：](?:\*\*)?)(?P<text>.*)$"
)
# A name and a time, and what was said in the lines below: Telegram and Slack write so.
HEADER = rf"^\s*{MARKS}(?P<name>{NAME}),?\s+[\[(]?{WHEN}[\])]?\s*$"
WORD = r"(?:[\p{Lu}\p{Lt}\p{Lo}\d#@+~][^\s]*|[&/|.-]|van|von|de|der|den|da|di|la|le|el|al|bin|ibn|of|y)"
NAMELIKE = rf"^{WORD}(?:\s{WORD}){{0,4}}$"
SINGLE = r"^[^\s!?;,\"]+$"


def split_chats(frame: pl.DataFrame) -> pl.DataFrame:
    """One turn a row: `row`, `speaker`, `text`, from texts: `row`, `conversation`.

    A text that names no speaker is one turn.
    """
    lines = frame.select(
        "row",
        line=pl.col("conversation").str.replace_all("\r\n?|\u2028|\u2029", "\n").str.split("\n"),
    ).explode("line")
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
    parts = pl.col("line").str.extract_groups(LINE)
    lines = lines.with_columns(parts.alias("parts")).unnest("parts")
    header = pl.col("line").str.extract(HEADER, 1)
    lines = lines.with_columns(
        header=pl.when(header.str.contains(NAMELIKE) & pl.col("stamp").is_null()).then(header),
        name=pl.col("name").str.strip_chars(INVISIBLE),
    )
    # In a text, the lines with a time stamp open turns, or else all those that begin with a name.
    name, text, stamp = pl.col("name"), pl.col("text"), pl.col("stamp")
    spaced = text.str.contains(r"^\s|^$") | pl.col("colon").str.contains("：|\\*")
    colon = (
        ~text.str.contains(r"^//")
        & (spaced | text.str.contains(r"^[\p{L}\d\"'“¿¡]"))
        & (spaced | ~pl.col("colon").str.contains(r"^\s"))
        & ~(name.str.contains(r"\d$") & text.str.contains(r"^\d"))
    )
    lines = lines.with_columns(name=pl.when(colon).then(name))
    if lines["stamp"].is_not_null().any():
        bare = pl.col("line").str.extract(rf"^\s*{MARKS}{STAMP}(.*)$", 1)  # a notice, with no name
        lines = lines.with_columns(
            stamp=stamp.fill_null(pl.when(bare.is_not_null()).then(pl.lit(""))),
            line=pl.when(named_and_stamped()).then(bare).fill_null(pl.col("line")),
        )
    stamped = named_and_stamped()
    headed = pl.col("header").is_not_null().sum().over("row") > 1
    lower = name.str.to_lowercase()
    known = lower.str.contains(rf"(?:^|[\s_-])(?:{ROLES})(?:$|[\s_\d-])")
    often = (pl.len().over("row", "name") > 1) & name.is_not_null()
    leading = name.drop_nulls().first().over("row")
    casual = leading.str.contains(r"^\p{Ll}") & ~leading.str.to_lowercase().str.contains(
        rf"^(?:{ROLES})"
    )
    words = name.str.count_matches(r"\s+") + 1
    looks = (
        name.str.contains(NAMELIKE)
        | (known & (words <= 4))
        | (name.str.contains(SINGLE) & (often | casual | name.str.contains(r"[@_\d]")))
        | (often & (words <= 3))
    ) & ~lower.str.contains(rf"(?:^|\s)(?:{NO_NAMES})(?:$|\s)")
    speaker = (
        pl.when(headed)
        .then(pl.col("header"))
        .when(stamped)
        .then(pl.when(stamp.is_not_null()).then(name))
        .when(looks)
        .then(name)
    )
    lines = lines.with_columns(speaker=speaker, stamped=stamped & stamp.is_not_null())
    said = (
        pl.when(pl.col("speaker").is_null())
        .then(pl.col("line"))
        .when(headed)
        .then(pl.lit(""))
        .otherwise(text)
    )
    return lines.select("row", "speaker", text=said.str.strip_chars(), stamped=pl.col("stamped"))


def named_and_stamped() -> pl.Expr:
    """Whether a text has lines that open with a time and a name."""
    return (pl.col("stamp").is_not_null() & pl.col("name").is_not_null()).any().over("row")
