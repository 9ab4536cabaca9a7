"""A chat's text with a turn a line and a colon after each name, however a program wrote that."""

import re
from collections.abc import Callable

import polars as pl

from stages.cleaning import captions, instructions, mails, tagged
from stages.cleaning.speaker_names import NAMELIKE, ROLES

ENDS = "\r\n?|\u2028|\u2029"
BREAKS = r"(?i)(?:<|&lt;)br\s*/?(?:>|&gt;)|</?(?:p|div|li|tr)(?:\s[^<>]*)?>"
# A whole chat in quotes, as what was written as CSV twice: its first name would not be one.
SAID = r'(?:[^"]|"")*'
QUOTED_WHOLE = rf'^\s*"((?:{SAID}?[^\s"][:：]\s){{2}}{SAID})"\s*$'
ESCAPED = r"(?:\\r)?\\n"
# A heading that is a role's name, a name between tabs after its time: Markdown, LINE.
HEADING = rf"(?im)^(?:#{{1,4}}\s+|\*\*)((?:{ROLES})(?:[ _-]?\d{{1,2}})?)(?:\*\*)?\s*$"
TABS = r"(?m)^(\d{1,2}:\d\d(?::\d\d)?(?:\s?[AP]M)?)\t([^\t\n]{1,40})\t"
# A name, and below it the time alone: Slack, which writes APP beside a bot's.
TIME_BELOW = (
    rf"(?m)^({NAMELIKE[1:-1]})\n(?:[ \t]*APP\b[ \t]*\n?)?[ \t]*(\d{{1,2}}:\d\d(?:\s?[AP]M)?)[ \t]*$"
)
# [Mira] [9:15 PM] hello: KakaoTalk. A time, a name and what was said on lines of their own: Messages.
TIME_BESIDE = (
    r"(?m)^\[([^\d\[\]\n][^\[\]\n]{0,40})\] \[((?:오전 |오후 )?\d{1,2}:\d\d(?: ?[AP]M)?)\] "
)
LINES_EACH = (
    r"(?m)^(\p{L}{3,9}\.? \d{1,2}, \d{4} {1,2}\d{1,2}:\d\d:\d\d [AP]M)(?: \([^()\n]*\))?\n"
    r"([^\n:]{1,40})\n"
)
QUOTED = r"(?m)^>> ?([^\s:：>][^:：\n]{0,58}[:：]\s)"  # >> Mira: hello
KHMER = r"(?m)^([^\s:៖\n][^:៖\n]{0,40})៖\s?"  # whose colon is a letter's mark to other programs
# A name alone above each paragraph.
PARAGRAPHS = r"^\s*[^\n:：]{1,60}\n[^\n]*\S[^\n]*\n(?:[^\n]*\S[^\n]*\n)*\s*\n[^\n:：]{1,60}\n\s*\S"
ROLE_ALONE = re.compile(rf"(?:{ROLES})(?:[ _-]?\d{{1,2}})?", re.IGNORECASE)
NAME = re.compile(r"[^\W\d_a-z][\w.'’-]*(?: [^\W\d_a-z][\w.'’-]*){0,3}")
# Marks of chat models' templates, before who speaks and behind what was said.
SIDES = "user|usr|system|sys|assistant|customer|agent|human|bot|model"
IN_BRACKETS = rf"(?i)\s*\[({SIDES})\]:?\s+"  # [USER] hello [SYSTEM] hi
TEMPLATE = (
    r"<\|\w+\|>|<(?:start|end)_of_turn>|\[/?INST\]"
    rf"|(?i:^\s*\[(?:{SIDES})\][^\n]*\[(?:{SIDES})\])"
)
OPENS = r"\s*(?:<\|(?:im_start|start_header_id)\|>|<start_of_turn>)\s*(\w+)\s*(?:<\|end_header_id\|>)?\s*"
NAMES_SIDE = rf"\s*<\|({SIDES})\|>\s*"
CLOSES = r"<\|\w+\|>|<end_of_turn>|</?s>|<[be]os>"
# What stands between the turns of a text in one line, besides spaces.
BETWEEN = r"\s*(?:\|{1,2}|/{1,2}|;|__eo[tu]__|<SEP>|\[SEP\]|#{2,4})?\s+"
# Names that are no roles, in one line with such a mark between each two turns.
BARS = r"^[^\n:]{1,41}:\s[^\n]*\s(?:\|{1,2}|<SEP>|\[SEP\])\s+[^\n:]{1,41}:\s[^\n]*\s*$"
BAR = re.compile(r"\s+(?:\|{1,2}|<SEP>|\[SEP\])\s+")
HASHES = r"\s*#{2,4}\s*"
# A role's name within a line, written as the first in its text is: the agent in a sentence is none.
STYLES = [
    "|".join([*(f"{name[0].upper()}{name[1:]}" for name in ROLES.split("|")), ROLES.upper()]),
    ROLES,
]

REWRITTEN = (
    (HEADING, "$1:"),
    (TABS, "$1 $2: "),
    (TIME_BELOW, "$1  $2"),
    (TIME_BESIDE, "$2 $1: "),
    (LINES_EACH, "[$1] $2: "),
    (KHMER, "$1: "),
)


def with_lines(texts: pl.Series) -> pl.Series:
    """Texts with a turn a line and a colon after each name, of the conversation alone."""
    texts = texts.str.replace_all(ENDS, "\n")
    texts = change_where(texts, QUOTED_WHOLE, without_quotes)
    texts = change_each(texts, captions.SIEVE, captions.caption_lines)
    texts = change_each(texts, tagged.SIEVE, tagged.untagged)
    texts = change_where(texts, BREAKS, lambda some: some.str.replace_all(BREAKS, "\n"))
    # Of a text in one line alone, for these may be a part of what somebody says.
    one_line = rf"^[^\n]*{ESCAPED}[^\n]*$"
    texts = change_where(texts, one_line, lambda some: some.str.replace_all(ESCAPED, "\n"))
    texts = change_each(texts, instructions.SIEVE, instructions.without_instruction)
    texts = change_where(texts, TEMPLATE, without_template)
    texts = change_each(texts, mails.SIEVE, mails.mail_lines)
    for pattern, written in REWRITTEN:
        texts = change_where(
            texts, pattern, lambda some, p=pattern, w=written: some.str.replace_all(p, w)
        )
    # In captions; within a mail the signs mark what it answers.
    texts = change_where(texts, r"^\s*>>", lambda some: some.str.replace_all(QUOTED, "$1"))
    texts = change_each(texts, PARAGRAPHS, with_names_above)
    texts = change_each(texts, BARS, without_bars)
    for style in STYLES:
        role = rf"(?:(?:{style})(?:[ _-]?\d{{1,2}})?|#[A-Z][a-z]+_?\d{{1,2}}#)\s?:\s"
        two = rf"^\s*(?:{HASHES})?{role}[^\n]*(?:\s|#){role}[^\n]*$"
        texts = change_where(texts, two, lambda some, role=role: split_line(some, role))
    return texts


def without_quotes(texts: pl.Series) -> pl.Series:
    return texts.str.replace(QUOTED_WHOLE, "$1").str.replace_all('""', '"', literal=True)


def with_names_above(text: str) -> str:
    """The text with a colon after the name above each paragraph, if these are roles or speak again."""
    parts = [part.split("\n", 1) for part in re.split(r"\n\s*\n", text.strip("\n"))]
    names = [part[0].strip() for part in parts]
    again = 2 * len(set(names)) <= len(names) + 1
    if len(set(names)) < 2 or not all(len(part) == 2 for part in parts):
        return text
    if not all(ROLE_ALONE.fullmatch(name) or (again and NAME.fullmatch(name)) for name in names):
        return text
    return "\n".join(f"{name}: {said}" for name, (_, said) in zip(names, parts, strict=True))


def without_bars(text: str) -> str:
    """The text with a line for each part between bars, if a name opens them all."""
    parts = BAR.split(text.strip())
    named = all(NAME.fullmatch(part.partition(":")[0].strip()) for part in parts)
    return "\n".join(parts) if named else text


def without_template(texts: pl.Series) -> pl.Series:
    texts = texts.str.replace_all("<start_of_turn>model", "<start_of_turn>assistant", literal=True)
    for opening in (OPENS, NAMES_SIDE, IN_BRACKETS):
        texts = texts.str.replace_all(opening, "\n$1: ")
    for mark, role in ((r"\s*\[INST\]\s*", "user"), (r"\s*\[/INST\]\s*", "assistant")):
        texts = texts.str.replace_all(mark, f"\n{role}: ")
    return texts.str.replace_all(CLOSES, "")


def split_line(texts: pl.Series, role: str) -> pl.Series:
    texts = texts.str.replace_all(rf"(?:{BETWEEN}|{HASHES})({role})", "\n$1")
    return texts.str.replace_all(r"(?m)\s*(?:__eo[tu]__|<SEP>|\[SEP\])\s*$", "")


def change_each(texts: pl.Series, sieve: str, change: Callable[[str], str]) -> pl.Series:
    """The texts, those changed one by one that a cheap expression picks."""
    return change_where(
        texts, sieve, lambda some: pl.Series(list(map(change, some)), dtype=pl.String)
    )


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
