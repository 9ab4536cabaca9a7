"""What the script of texts says of their language: whether spaces part its words, how they count.

Shared by cleaning (near-duplicates), prompts, training's reward and scoring, so that one text has
one length and one set of words wherever it is looked at.
"""

import polars as pl

# Scripts without spaces between words, for a regular expression's class. ー is of Japanese alone.
UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Yi}"
    r"\p{Tai_Tham}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Viet}\p{Javanese}\p{Balinese}"
)
LETTERS = {
    "all": r"\p{L}",
    "unspaced": rf"[{UNSPACED}&&\p{{L}}]",
    "Han": r"[\p{Han}&&\p{L}]",
    "kana": r"[\p{Hiragana}\p{Katakana}ー]",
    "Hangul": r"\p{Hangul}",
    "Latin": r"\p{Latin}",
}
SOME = 0.05  # share of the letters from which a script decides how all texts are taken apart
# Words that are frequent in English and rare or absent elsewhere.
ENGLISH = r"(?i)\b(?:the|and|that|with|this|they|their|are|has|have|not|from|which)\b"


def length_unit(texts: pl.Series) -> str:
    """ "words", or "characters" where most letters are of scripts without spaces between words."""
    return "characters" if 2 * share(texts, "unspaced") > 1 else "words"


def lengths(texts: pl.Series, unit: str) -> pl.Series:
    """Length of each text in `unit`; white space is no character."""
    return texts.str.count_matches(r"\S+" if unit == "words" else r"\S")


def choose_tokenizer(texts: pl.Series) -> tuple[str, str]:
    """The sacrebleu tokenizer for these references, and the reason as words for people.

    Japanese and Korean are taken by characters: their own tokenizers need further packages, and
    the same params are to give the same score on every machine.
    """
    if not count(texts, "all"):
        return "char", "no letters"
    unspaced, han = share(texts, "unspaced"), share(texts, "Han")
    if share(texts, "kana") > SOME:
        return "char", "Japanese; ja-mecab counts words"
    if unspaced - han > SOME:
        return "char", "a script without spaces between words"
    if han > SOME:
        return "zh", "Chinese"
    if 2 * share(texts, "Hangul") > 1:
        return "char", "Korean; ko-mecab counts words"
    return "13a", "words with spaces between them"


def is_english(texts: pl.Series) -> bool:
    """Whether texts are English, by their script and their most frequent words."""
    words = int(texts.str.count_matches(r"\S+").sum())
    found = int(texts.str.count_matches(ENGLISH).sum())
    return share(texts, "Latin") > 1 - SOME and found > SOME * words


def count(texts: pl.Series, letters: str) -> int:
    return int(texts.str.count_matches(LETTERS[letters]).sum())


def share(texts: pl.Series, letters: str) -> float:
    """Share of the letters of all texts, 0 where there are none."""
    return count(texts, letters) / max(count(texts, "all"), 1)
