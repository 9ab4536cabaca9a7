"""What a summary of a new conversation says and the conversation does not hold.

`score` compares a split's summaries in the light of the split's own conversations and references.
Of a new conversation there are none, so those that the model was trained on stand in.
"""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import polars as pl

from stages.common.words import WORD, Words, choose_words
from stages.params import Score
from stages.scoring.faithfulness import Checker

TRAIN = Path("data/clean/train.parquet")
MOST = 2000  # dialogues to learn from
USUAL = 0.2  # share of dialogues whose references have a word, from which it is no claim


class Marker:
    def __init__(self, dialogues: list[list[dict]], references: list[list[str]], words: Words):
        self.checker = Checker(dialogues, references, words)
        count = Counter(
            word
            for texts in references
            for word in {match[0] for text in texts for match in WORD.finditer(text.casefold())}
        )
        # A short conversation may lack "and", which hardly any of a split does.
        self.usual = {word for word, n in count.items() if n >= USUAL * len(references)}

    def __call__(self, turns: list[dict], summaries: dict[str, str]) -> dict[str, list[dict]]:
        """Spans by the name of the summary: start, end, kind, text, as in data/unsupported.jsonl."""
        checked = self.checker.check(turns, list(summaries.values()))
        return {
            name: [
                found
                for span in one.spans
                for found in [asdict(span) | {"text": text[span.start : span.end]}]
                if span.kind != "word" or found["text"].casefold() not in self.usual
            ]
            for (name, text), one in zip(summaries.items(), checked, strict=True)
        }


def load_marker(params: Score) -> Marker | None:
    """None where the split that the model was trained on is not on this machine."""
    if not TRAIN.exists():
        return None
    rows = pl.read_parquet(TRAIN, columns=["turns", "references"], n_rows=MOST)
    references = rows["references"].to_list()
    words, _ = choose_words(params.tokenizer, [text for texts in references for text in texts])
    return Marker(rows["turns"].to_list(), references, words)
