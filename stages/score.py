"""score: how near the summaries come to what people wrote, beside what costs nothing.

Reads references and summaries of the test split; writes `metrics/score.json`, the tables for the
plots, and `metrics/dialogues.csv`: the BLEU statistics of every dialogue and system, from which
corpus BLEU can be recomputed and two commits compared without a cache.
"""

import csv
from pathlib import Path

from stages.common.atomic_io import atomic_write, need, read_jsonl, write_json
from stages.common.cli import UserError, run
from stages.params import Score, load

CLEAN = Path("data/clean/test.parquet")
SUMMARIES = Path("data/summaries")
METRICS = Path("metrics")
PLOTS = METRICS / "plots"
ROUGE = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


def main() -> None:
    params = load().score
    need(CLEAN, "run clean first")

    import numpy as np
    import polars as pl

    from stages.scoring.bleu import statistics

    rows = pl.read_parquet(CLEAN)
    ids, references = rows["id"].to_list(), rows["references"].to_list()
    turns = [[turn["text"] for turn in dialogue] for dialogue in rows["turns"]]
    systems = {
        "tuned": read_summaries("tuned", ids),
        "base": read_summaries("base", ids),
        "first_two_turns": [" ".join(dialogue[:2]) for dialogue in turns],
        "constant": [params.constant] * len(ids),
    }
    counts = {name: statistics(texts, references) for name, texts in systems.items()}
    scores = {
        name: measure(texts, references, counts[name], params) for name, texts in systems.items()
    }
    signature = {name: score.pop("signature") for name, score in scores.items()}["tuned"]
    write_json(
        METRICS / "score.json", {"dialogues": len(ids), **scores, "bleu_signature": signature}
    )
    write_dialogues(ids, counts)
    words = np.array([sum(len(text.split()) for text in dialogue) for dialogue in turns])
    write_by_length(words, counts)
    write_lengths(references, systems)
    print_table(scores)


def read_summaries(name: str, ids: list[str]) -> list[str]:
    path = need(SUMMARIES / f"{name}.jsonl", f"run generate@{name} first")
    rows = read_jsonl(path)
    if [row["id"] for row in rows] != ids:
        raise UserError(f"{path} is not of the dialogues in {CLEAN}: run generate@{name} again")
    return [row["summary"] for row in rows]


def measure(texts: list[str], references: list[list[str]], counts, params: Score) -> dict:
    """All figures of one system; BLEU, chrF and ROUGE from 0 to 100."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import CHRF

    from stages.scoring.bleu import bootstrap
    from stages.scoring.metric import CorpusBleu

    first = [refs[:1] for refs in references]
    bleu = CorpusBleu().compute(predictions=texts, references=references)
    low, high = bootstrap(counts, params.bootstrap_samples, params.seed)
    width = max(map(len, references))
    streams = [[r[k] if k < len(r) else None for r in references] for k in range(width)]
    rouge = RougeScorer(list(ROUGE), use_stemmer=True)
    pairs = [rouge.score(refs[0], text) for refs, text in zip(references, texts, strict=True)]
    mean = {k: 100 * sum(pair[k].fmeasure for pair in pairs) / len(pairs) for k in ROUGE}
    lengths = counts.sum(axis=0)
    figures = {
        "bleu": bleu["bleu"],
        "bleu_low": low,
        "bleu_high": high,
        "bleu_first_reference": CorpusBleu().compute(predictions=texts, references=first)["bleu"],
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


def write_by_length(words, counts: dict, buckets: int = 4) -> None:
    """BLEU by length of the conversation, in quarters of the dialogues; x is the mean in words."""
    import numpy as np

    from stages.scoring.bleu import corpus_bleu

    parts = np.array_split(np.argsort(words, kind="stable"), min(buckets, len(words)))
    rows = [
        [
            round(float(words[part].mean())),
            *(f"{corpus_bleu(t[part]):.2f}" for t in counts.values()),
        ]
        for part in parts
    ]
    write_table(PLOTS / "bleu_by_length.csv", ["words", *counts], rows)


def write_lengths(references: list[list[str]], systems: dict) -> None:
    """Words of each summary beside the mean of its dialogue's references."""
    rows = []
    for i, refs in enumerate(references):
        wanted = sum(len(ref.split()) for ref in refs) / len(refs)
        made = [len(systems[name][i].split()) for name in ("tuned", "base")]
        rows.append([f"{wanted:.1f}", *made])
    write_table(PLOTS / "summary_length.csv", ["reference", "tuned", "base"], rows)


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
