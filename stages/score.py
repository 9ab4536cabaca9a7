"""score: compare the summaries with the references, beside baselines that need no model.

Reads references and summaries of the test split; writes `metrics/score.json`, the tables for the
plots, and `metrics/dialogues.csv`: the BLEU statistics of every dialogue and system. From these,
corpus BLEU can be recomputed and two commits can be compared without a cache.
"""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.atomic_io import atomic_write, need, read_jsonl, write_json
from stages.common.cli import UserError, run
from stages.params import Score, load

if TYPE_CHECKING:
    import polars as pl

    from stages.common.words import Words

CLEAN = Path("data/clean/test.parquet")
SUMMARIES = Path("data/summaries")
METRICS = Path("metrics")
PLOTS = METRICS / "plots"
ROUGE = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


def main() -> None:
    params = load().score
    need(CLEAN, "run clean first")

    import polars as pl

    from stages.common.languages import length_unit
    from stages.common.words import choose_words
    from stages.scoring.bleu import statistics
    from stages.scoring.lead import lead_2

    rows = pl.read_parquet(CLEAN)
    ids = rows["id"].to_list()
    references = [[one_line(text) for text in texts] for texts in rows["references"]]
    turns = [[turn["text"] for turn in dialogue] for dialogue in rows["turns"]]
    words, reason = choose_words(params.tokenizer, [text for texts in references for text in texts])
    print(f"score: {reason}")
    systems = {
        "tuned": read_summaries("tuned", ids),
        "base": read_summaries("base", ids),
        "first_two_turns": [lead_2(dialogue) for dialogue in rows["turns"]],
        "constant": [params.constant] * len(ids),
    }
    counts = {name: statistics(texts, references, words) for name, texts in systems.items()}
    scores = {
        name: measure(texts, references, counts[name], words, params)
        for name, texts in systems.items()
    }
    signature = {name: score.pop("signature") for name, score in scores.items()}["tuned"]
    figures = {"dialogues": len(ids), **scores, "bleu_signature": signature}
    write_json(METRICS / "score.json", figures | {"rouge_words": words.of_rouge})
    write_dialogues(ids, counts)
    conversations = pl.Series([" ".join(dialogue) for dialogue in turns], dtype=pl.String)
    write_by_length(conversations, counts)
    unit = length_unit(pl.Series([text for texts in references for text in texts]))
    write_lengths(references, systems, unit)
    print_table(scores)


def one_line(text: str) -> str:
    """The text in one line, so that sacrebleu's own rules for line breaks do not apply."""
    return " ".join(text.split())


def read_summaries(name: str, ids: list[str]) -> list[str]:
    path = need(SUMMARIES / f"{name}.jsonl", f"run generate@{name} first")
    rows = read_jsonl(path)
    if [row["id"] for row in rows] != ids:
        raise UserError(
            f"{path} does not match the dialogues in {CLEAN}: run generate@{name} again"
        )
    return [one_line(row["summary"]) for row in rows]


def measure(
    texts: list[str], references: list[list[str]], counts, words: "Words", params: Score
) -> dict:
    """All metrics of one system. BLEU, chrF and ROUGE are from 0 to 100."""
    from sacrebleu.metrics import CHRF

    from stages.scoring.bleu import bootstrap
    from stages.scoring.metric import corpus_score

    first = [refs[:1] for refs in references]
    bleu = corpus_score(texts, references, words)
    low, high = bootstrap(counts, params.bootstrap_samples, params.seed)
    width = max(map(len, references))
    streams = [[r[k] if k < len(r) else None for r in references] for k in range(width)]
    rouge = words.rouge()
    pairs = [rouge.score(refs[0], text) for refs, text in zip(references, texts, strict=True)]
    mean = {k: 100 * sum(pair[k].fmeasure for pair in pairs) / len(pairs) for k in ROUGE}
    lengths = counts.sum(axis=0)
    figures = {
        "bleu": bleu["bleu"],
        "bleu_low": low,
        "bleu_high": high,
        "bleu_first_reference": corpus_score(texts, first, words)["bleu"],
        "chrf": CHRF().corpus_score(texts, streams).score,
        **{name: mean[k] for k, name in ROUGE.items()},
        "length_ratio": float(lengths[0] / lengths[1]),
    }
    return {k: round(v, 3) for k, v in figures.items()} | {"signature": bleu["signature"]}


def write_table(path: Path, header: list[str], rows: list[list]) -> None:
    with atomic_write(path) as aside, open(aside, "w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *rows])


def write_dialogues(ids: list[str], counts: dict) -> None:
    from stages.scoring.bleu import STATISTICS

    rows = [
        [id_, name, *table[i].tolist()]
        for i, id_ in enumerate(ids)
        for name, table in counts.items()
    ]
    write_table(METRICS / "dialogues.csv", ["id", "system", *STATISTICS], rows)


def write_by_length(conversations: "pl.Series", counts: dict, buckets: int = 4) -> None:
    """BLEU by length of the conversation, in about equal `buckets` with their mean length."""
    import numpy as np

    from stages.common.languages import length_unit, lengths
    from stages.scoring.bleu import corpus_bleu

    unit = length_unit(conversations)
    sizes = lengths(conversations, unit).to_numpy()
    parts = np.array_split(np.argsort(sizes, kind="stable"), min(buckets, len(sizes)))
    rows = [
        [
            unit,
            round(float(sizes[part].mean())),
            *(f"{corpus_bleu(t[part]):.2f}" for t in counts.values()),
        ]
        for part in parts
    ]
    write_table(PLOTS / "bleu_by_length.csv", ["unit", "length", *counts], rows)


def write_lengths(references: list[list[str]], systems: dict, unit: str) -> None:
    """Length of each summary and mean length of its dialogue's references, in `unit`."""
    import polars as pl

    from stages.common.languages import lengths

    summaries = [lengths(pl.Series(systems[name]), unit).to_list() for name in ("tuned", "base")]
    means = [lengths(pl.Series(refs), unit).mean() for refs in references]
    rows = [[unit, f"{mean:.1f}", *sizes] for mean, *sizes in zip(means, *summaries, strict=True)]
    write_table(PLOTS / "summary_length.csv", ["unit", "reference", "tuned", "base"], rows)


def print_table(scores: dict) -> None:
    print("score:            BLEU  95 % interval  first ref.  ROUGE-1/2/L")
    for name, s in scores.items():
        rouge = "/".join(f"{s[k]:.1f}" for k in ROUGE.values())
        interval = f"{s['bleu_low']:.1f} to {s['bleu_high']:.1f}"
        print(
            f"{name:>16} {s['bleu']:5.1f}  {interval:>13}  {s['bleu_first_reference']:10.1f}  {rouge}"
        )


if __name__ == "__main__":
    run(main)
