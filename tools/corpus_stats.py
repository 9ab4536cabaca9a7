"""Statistics of a corpus of conversations, side by side with another's.

    python -m tools.corpus_stats data/bundled/train/dialogues_1.json other/train.jsonl

Takes files with DialogStudio's columns: shards (.json) or rows (.jsonl, .parquet).
"""

import sys
from itertools import permutations
from pathlib import Path
from statistics import mean

import polars as pl
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from stages.cleaning.rules import clean_turns
from stages.common.atomic_io import need
from stages.common.cli import UserError, run
from stages.params import Clean, load
from stages.sources.tables import read_table

REFERENCES = ("original dialog info", "summaries", "abstractive_summaries")


def main() -> None:
    if len(sys.argv) < 2:
        raise UserError("usage: python -m tools.corpus_stats FILE [FILE]")
    files = [need(path, "name a shard or a file of rows") for path in sys.argv[1:]]
    columns = [statistics(*read_dialogues(file)) for file in files]
    print("| | " + " | ".join(f"{file.parent.name}/{file.stem}" for file in files) + " |")
    print("|---|" + "---:|" * len(files))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{column[name]:.1f}" for column in columns) + " |")


def read_dialogues(file: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Turns, without links and handles, and references of each dialogue."""
    # What counts here is the words people wrote, so only links, handles and entities go.
    keep = dict.fromkeys(("signatures", "special_characters", "lowercase"), False)
    switches: Clean = load().clean.model_copy(update=keep)
    dialogues, references = [], []
    for row in read_table(file).to_pylist():
        pairs = [(turn["user utterance"], turn["system response"]) for turn in row["log"]]
        texts = [text for pair in pairs for text in pair if text]
        cleaned = clean_turns(pl.DataFrame({"speaker": "", "text": texts}), switches)
        dialogues.append(cleaned["text"].to_list())
        info = pl.Series([row[REFERENCES[0]]]).str.json_decode(
            pl.Struct({"summaries": pl.Struct({REFERENCES[2]: pl.List(pl.List(pl.String))})})
        )
        found = info[0]["summaries"][REFERENCES[2]]
        references.append([" ".join(sentences) for sentences in found if sentences])
    return dialogues, references


def statistics(dialogues: list[list[str]], references: list[list[str]]) -> dict[str, float]:
    """Means over dialogues, turns or references; BLEU and ROUGE from 0 to 100."""
    width = max(map(len, references))
    streams = [[r[k] if k < len(r) else None for r in references] for k in range(width)]
    pairs = [pair for refs in references for pair in permutations(refs, 2)]
    bleu = BLEU().corpus_score([a for a, _ in pairs], [[b for _, b in pairs]]).score
    rouge = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    scores = [rouge.score(b, a) for a, b in pairs]
    first_two = [" ".join(turns[:2]) for turns in dialogues]
    return {
        "dialogues": len(dialogues),
        "turns a dialogue": mean(len(turns) for turns in dialogues),
        "words a turn": mean(len(text.split()) for turns in dialogues for text in turns),
        "words a dialogue": mean(sum(len(t.split()) for t in turns) for turns in dialogues),
        "references a dialogue": mean(map(len, references)),
        "words a reference": mean(len(ref.split()) for refs in references for ref in refs),
        "BLEU of a reference against another": bleu,
        "ROUGE-1 of a reference against another": 100 * mean(s["rouge1"].fmeasure for s in scores),
        "ROUGE-2 of a reference against another": 100 * mean(s["rouge2"].fmeasure for s in scores),
        "ROUGE-L of a reference against another": 100 * mean(s["rougeL"].fmeasure for s in scores),
        "BLEU of the first two turns": BLEU().corpus_score(first_two, streams).score,
    }


if __name__ == "__main__":
    run(main)
