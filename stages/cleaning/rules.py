"""The cleaning of conversation text: one code for training and for inference.

Every rule is a vectorised polars expression with a switch of the same name in `params.yaml`.
The regular expressions are RE2-like (no look-around).
"""

from collections import Counter

import polars as pl

from stages.cleaning.markup import CODED, plain_text
from stages.cleaning.pseudonyms import redact_speakers
from stages.cleaning.redaction import redact_column
from stages.common.languages import UNSPACED
from stages.params import Clean, Redaction

# Where words have no spaces between them, the next one may follow a link or a name at once.
URL = rf"(?i)(?:https?://|www\.)[^\s{UNSPACED}\x{{3000}}-\x{{303F}}\x{{FF00}}-\x{{FFEF}}]+|<(?:link|url)>"
# <https://example.org|our page>, <https://example.org>, [our page](https://example.org)
LINK = r"(?i:https?://|mailto:|tel:)"
LABELLED = (
    r"<(?i:mailto|tel):([^\s<>|]+)>"  # an address, no page: its redaction says so
    rf"|<{LINK}[^\s<>|]+(?:\|([^<>\n]*))?>|!?\[([^\[\]\n]*)\]\({LINK}(?:[^\s()]|\([^\s()]*\))*\)"
)
JOINED = rf"([\w--[{UNSPACED}]])\x00+\b"  # where a link stood that a word or number meets: 5[1](…)
# The character before is kept: without it, the domain of an e-mail address would go as a handle.
HANDLE = rf"(^|[^\w@]|[{UNSPACED}])@(?:[\w--[{UNSPACED}]]+|\w{{1,20}}[\s:：])"
# ^JS anywhere, for tweets are joined; -Dee, /MB or ~Sam only where a turn ends.
SIGNATURE = (
    rf"\^\s?(?:[\w--[{UNSPACED}]]{{1,12}}|[{UNSPACED}]{{1,3}})"
    r"|\s[-–—~*/]\s?(?:[A-Z]{1,3}|[A-Z][a-z]{1,11})\s*$"
)
SPECIAL = r"[^\w\s\p{Sc}.,!?'%:;/()+-]|_"
# Texts in another script than Latin, or with quotes and marks that English has not, keep their
# punctuation. One letter alone may be part of a face, as in ¯\_(ツ)_/¯.
OTHER = r"[^\p{Latin}\p{Common}\p{Inherited}]{2}|[¿¡«»„‚‹›]"
SPECIAL_IN_OTHERS = r'[^\w\s\p{P}\p{Sc}№°+～]|["#&*@\[\\\]_{}＂＃＆＊＠［＼］＿｛｝]'
# Joiners and variation selectors hold emoji together; alone they are invisible, yet `\w`.
EMOJI_GLUE = "[\u00ad\u200d\u20e3\ufe0e\ufe0f]"
# A joiner after a letter or mark of Indic or Arabic script is part of its word; marks of direction
# and of where a line may break are no white space.
GLUE_IN_OTHERS = "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\u20e3\ufe0e\ufe0f\ufeff]"
STRAY_JOINER = "(^|[^\\p{L}\\p{M}])\u200d+|\u200d+($|[^\\p{L}\\p{M}])"


GAP = r"[^\S ]"  # white space but a space


def clean_turns(
    turns: pl.DataFrame, switches: Clean, redacted: Counter | None = None
) -> pl.DataFrame:
    """Clean a flat table of turns and drop those in which nothing is left.

    `turns` has `speaker: str | null` and `text: str | null`, one turn a row, in order; any further
    columns (which row a turn belongs to) are carried along. `redacted` gains what was redacted, by
    kind.
    """
    text = pl.col("text")
    if switches.html:
        turns = turns.with_columns(text=without_html(turns["text"]))
    if switches.urls:
        text = text.str.replace_all(LABELLED, "\0$1$2$3\0").str.replace_all(JOINED, "$1 ")
        text = text.str.replace_all("\0", "", literal=True).str.replace_all(URL, " ")
    if switches.redact:
        # After links, whose digits are nobody's, and before the rules that take apart an address.
        column, counts = redact_column(turns.select(text=text)["text"], switches.redaction)
        turns, text = turns.with_columns(text=column), pl.col("text")
        turns = redact_speakers(turns, switches.redaction, counts)
        if redacted is not None:
            redacted += counts
    if switches.signatures:
        column = without_signatures(turns.select("speaker", text=text))
        turns, text = turns.with_columns(text=column), pl.col("text")
    if switches.handles:
        text = text.str.replace_all(HANDLE, "$1 ")
    if switches.special_characters:
        column = without_special(turns.select(text=text)["text"])
        turns, text = turns.with_columns(text=column), pl.col("text")
    else:
        text = spaced(text, GAP)
    text = text.str.strip_chars()
    if switches.lowercase:
        text = text.str.to_lowercase()
    return turns.with_columns(text=text).filter(pl.col("text") != "")


def rows_with(texts: pl.Series, sieve: pl.Series, pattern: str) -> pl.Series:
    """Numbers of the texts that match `pattern`, of those that a quicker test let through."""
    at = sieve.arg_true()
    return at.filter(texts.gather(at).str.contains(pattern))


def without_html(texts: pl.Series) -> pl.Series:
    """Texts without tags and entities: few hold any, and these alone pay for a call into Python."""
    coded = rows_with(texts, texts.str.contains("&#?\\w+;|<[/!A-Za-z]"), CODED)
    some = texts.gather(coded)
    # Most hold "&amp;" alone, for which that is not needed.
    hard = (
        some.str.count_matches("[<&]") != some.str.count_matches("&amp;", literal=True)
    ).arg_true()
    plain = some.str.replace_all("&amp;", "&", literal=True)
    plain = plain.scatter(hard, [plain_text(text) for text in some.gather(hard)])
    return texts.clone().scatter(coded, plain)


def without_signatures(turns: pl.DataFrame) -> pl.Series:
    """`text` of the turns, without what agents sign with."""
    at = (turns["speaker"] == "agent").arg_true()
    signed = turns["text"].gather(at).str.replace_all(SIGNATURE, " ")
    return turns["text"].clone().scatter(at, signed)


def without_special(texts: pl.Series) -> pl.Series:
    """Texts without emoji, hashes and the like, and with single spaces between words."""
    wide = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    # Typed and typographic quotes are one character to a reader, and should be to a tokenizer.
    some = texts.gather(wide).str.replace_all("[’‘]", "'")
    others = some.str.contains(OTHER)
    texts = texts.clone().scatter(wide, some.str.replace_all(EMOJI_GLUE, ""))
    cleaned = spaced(texts, f"{GAP}|{SPECIAL}")
    if not others.any():
        return cleaned
    some = some.filter(others).str.replace_all(GLUE_IN_OTHERS, "")
    some = some.str.replace_all(STRAY_JOINER, "$1$2")
    return cleaned.scatter(wide.filter(others), spaced(some, f"{GAP}|{SPECIAL_IN_OTHERS}"))


def spaced(text, gap: str):
    """`text`, an expression or a series, with one space for what matches `gap` and what is around.

    In one pass, for which a single space, the usual case, is no match.
    """
    return text.str.replace_all(rf"(?: |{gap}){{2,}}|{gap}", " ")


def clean_reference(text: str) -> str:
    """A reference keeps its words, case, punctuation and lines; tags, entities and white space are
    mended, empty lines go."""
    if "<" in text or "&" in text:
        text = plain_text(text)
    if text.isprintable():  # so it is one line, and its only white space are spaces
        return " ".join(text.split()) if "  " in text or text[:1] == " " else text.rstrip()
    lines = text.splitlines()
    if len(lines) < 2:
        return " ".join(text.split())
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())


def redact_references(references: pl.Series, redaction: Redaction, redacted: Counter) -> pl.Series:
    """References (lists of texts) redacted as turns are: what training teaches is not to leak."""
    lists = references.to_arrow()
    texts, counts = redact_column(pl.Series(lists.values, dtype=pl.String), redaction)
    redacted += counts
    return pl.Series(type(lists).from_arrays(lists.offsets, texts.to_arrow()))
