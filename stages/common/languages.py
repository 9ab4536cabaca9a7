"""What the script of texts tells: their language, how words are separated, how length is counted.

Cleaning (near-duplicates), prompts, the reward in training and scoring share this module, so that
a text has the same length and the same words everywhere.
"""

import polars as pl

# Scripts without spaces between words, for a regular expression's class. ー is Japanese only.
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
MIN_SHARE = 0.05  # share of letters from which a script decides how all texts are tokenized
# Words that are frequent in English and rare or absent elsewhere.
ENGLISH = r"(?i)\b(?:the|and|that|with|this|they|their|are|has|have|not|from|which)\b"


def length_unit(texts: pl.Series) -> str:
    """ "words", or "characters" if most letters belong to scripts without spaces between words."""
    return "characters" if 2 * share(texts, "unspaced") > 1 else "words"


def lengths(texts: pl.Series, unit: str) -> pl.Series:
    """Length of each text in `unit`. White space does not count as characters."""
    return texts.str.count_matches(r"\S+" if unit == "words" else r"\S")


def choose_tokenizer(texts: pl.Series) -> tuple[str, str]:
    """The sacrebleu tokenizer for these references, and the reason in words.

    Japanese and Korean are tokenized into characters. Their own tokenizers need more packages, and
    the same params must give the same score on every machine.
    """
    if not count(texts, "all"):
        return "char", "no letters"
    unspaced, han = share(texts, "unspaced"), share(texts, "Han")
    if share(texts, "kana") > MIN_SHARE:
        return "char", "Japanese; ja-mecab counts words"
    if unspaced - han > MIN_SHARE:
        return "char", "a script without spaces between words"
    if han > MIN_SHARE:
        return "zh", "Chinese"
    if 2 * share(texts, "Hangul") > 1:
        return "char", "Korean; ko-mecab counts words"
    return "13a", "words with spaces between them"


def is_english(texts: pl.Series) -> bool:
    """Whether the texts are English, by their script and the most frequent English words."""
    words = int(texts.str.count_matches(r"\S+").sum())
    found = int(texts.str.count_matches(ENGLISH).sum())
    return share(texts, "Latin") > 1 - MIN_SHARE and found > MIN_SHARE * words


def count(texts: pl.Series, letters: str) -> int:
    return int(texts.str.count_matches(LETTERS[letters]).sum())


def share(texts: pl.Series, letters: str) -> float:
    """Share of these letters among the letters of all texts; 0 if there are none."""
    return count(texts, letters) / max(count(texts, "all"), 1)
