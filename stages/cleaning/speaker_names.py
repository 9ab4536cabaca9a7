"""Which words before a colon at a line's start are the name of who speaks."""

import polars as pl

from stages.cleaning.roles import AGENT, CUSTOMER

ROLES = (
    "customer|agent|user|assistant|client|caller|operator|support|service|system|bot|human|admin"
    "|advisor|adviser|representative|rep|guest|visitor|staff|member|speaker|person|employee|team|desk"
    "|buyer|seller|shopper|consumer|end-user|chatbot|technician|interviewer|interviewee|doctor|patient"
    "|kunde|kundin|mitarbeiter|mitarbeiterin|berater|beraterin|cliente|agente|conseiller|conseillère"
    "|asesor|asesora|operador|operatore|atendente|klant|medewerker|klient|konsultant|müşteri|temsilci"
    "|клиент|оператор|агент|покупатель|khách hàng|nhân viên|tư vấn viên"
)
# They open a line of a message, or of its header, and are nobody's name.
NEVER = (
    "ps|p\\.s|p\\.s\\.|update|edit|address|phone|tel|email|e-mail|mail|subject|re|fwd|from|to|cc|bcc|sent"
    "|url|website|https?|ftp|mailto|attention|important|also|tldr|tl;dr|nb|fyi|eta"
)
# So do these, but a person, too, may be called Price or No, and Q and A are speakers of a kind.
SELDOM = (
    "note|notes|mobile|total|price|date|time|order|number|no|name|link|tracking|reference|reason|error"
    "|warning|question|answer|q|a|example|details|status|result|results|summary|code|model|version"
    "|amount|account|password|username"
)
WORD = r"(?:[\p{Lu}\p{Lt}\p{Lo}\p{So}\d#@+~][^\s]*|\(\p{L}[^()]*\)|[&/|.-]|van|von|de|der|den|da|di|la|le|el|al|bin|ibn|of|y)"
NAMELIKE = rf"^{WORD}(?:\s{WORD}){{0,4}}$"
SINGLE = r"^[^\s!?;,\"]+$"
ROLE = rf"(?:^|[\s_-])(?:{ROLES})(?:$|[\s_\d-])"
ROLE_ALONE = rf"(?i)^(?:(?:{ROLES})(?:[ _-]?\d{{1,2}})?|{CUSTOMER.pattern}|{AGENT.pattern})$"
MANY_WORDS = r"(?:\S+\s+){5}\S|\p{Lo}{8}"
ITEM = r"(?i)\d$|^(?:step|option|plan|choice|method|point|part|schritt|paso|opción|passo|opção|étape|stap|krok|шаг)\b"
SENTENCE_ENDS = r"[.?!…。？！][\pP\s]*$"
TWO_WORDS = r"[\pL\d]\pL*[^\pL\d]+\pL|\p{Lo}{2}"


def words(listed: str) -> str:
    return rf"(?:^|\s)(?:{listed})(?:$|\s)"


def may_be_name(name: pl.Expr) -> pl.Expr:
    """Whether words are written as a name or a role is, or are one word as names in chats."""
    lower = name.str.to_lowercase()
    short = name.str.count_matches(r"\s+") < 5
    like = name.str.contains(NAMELIKE) | lower.str.contains(ROLE) | name.str.contains(SINGLE)
    return like & short & ~lower.str.contains(words(NEVER))


def is_seldom(name: pl.Expr) -> pl.Expr:
    return name.str.to_lowercase().str.contains(words(SELDOM))


def likely_speakers(lines: pl.DataFrame) -> pl.Series:
    """Whether each of the lines, `row`, `line`, `name`, `text`, opens a turn of who is named."""
    name = pl.col("name")
    lower = name.str.to_lowercase()
    known = lower.str.contains(ROLE)
    often = (pl.len().over("row", "name") > 1) & name.is_not_null()
    first = name.drop_nulls().first().over("row")
    casual = first.str.contains(r"^\p{Ll}") & ~first.str.contains(rf"^(?:{ROLES})")
    count = name.str.count_matches(r"\s+") + 1
    likely = (
        name.str.contains(NAMELIKE)
        | (known & (count <= 4))
        | (name.str.contains(SINGLE) & (often | casual | name.str.contains(r"[@_\d]")))
        | (often & (count <= 3))
    ) & ~lower.str.contains(words(NEVER))
    likely &= ~(is_form_line() & ~known)
    lines = lines.with_columns(
        likely=likely.fill_null(False), seldom=is_seldom(name).fill_null(False)
    )
    if not lines["seldom"].any():
        return lines["likely"]
    return lines.select(pl.col("likely") & (~pl.col("seldom") | is_speaker_all_the_same()))[
        "likely"
    ]


def is_form_line() -> pl.Expr:
    """Whether a line is one of a list within a turn, such as "Monday: 9 to 5" or "Step 1: …": the
    speakers of its text are roles, and its name comes once, numbered or before a few words."""
    name = pl.col("name")
    role = name.str.contains(ROLE_ALONE)
    once = pl.len().over("row", "name") == 1
    among_roles = (name.filter(role).str.to_lowercase().n_unique() > 1).over("row")
    return ~role & among_roles & once & (is_before_few_words() | name.str.contains(ITEM))


def is_before_few_words() -> pl.Expr:
    text = pl.col("text")
    few = text.str.contains(r"\S") & ~text.str.contains(MANY_WORDS)
    return few & ~text.str.contains(SENTENCE_ENDS)


def is_speaker_all_the_same() -> pl.Expr:
    """Whether Price or Note speaks, and is no word of a message: who else speaks is one person at
    most, who answers or is answered; or it opens the chat, and speaks again."""
    name = pl.col("name")
    plain = pl.col("likely") & ~pl.col("seldom")
    others = name.filter(plain).n_unique().over("row")
    answers = plain.sum().over("row") > others
    opening = name.filter(pl.col("line").str.strip_chars() != "").first().over("row")
    opens = (opening == name).fill_null(False)
    one_word = ~name.str.contains(r"\s")
    begun = one_word & is_seldom(opening).fill_null(False)
    again = pl.len().over("row", "name") > 1
    speech = pl.col("text").str.contains(TWO_WORDS).any().over("row", "name")
    alone = (others < 2) & (again | begun | (one_word & answers))
    return speech & (alone | (opens & again))
