"""score: compare the summaries with references and conversations, beside baselines without a model.

Reads the test split and its summaries; writes `metrics/score.json`, the tables for the plots, and
`metrics/dialogues.csv`: the BLEU statistics and the faithfulness of every dialogue and system. From
these, corpus scores can be recomputed and two commits can be compared without a cache. What a
summary says and its conversation does not hold is in `data/unsupported.jsonl`.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from stages.common.atomic_io import atomic_write, need, read_jsonl, write_json
from stages.common.cli import UserError, run
from stages.params import Score, load

if TYPE_CHECKING:
    from stages.common.words import Words

CLEAN = Path("data/clean/test.parquet")
SUMMARIES = Path("data/summaries")
BASE = Path("models/base")  # for score.pmi
METRICS = Path("metrics")
UNSUPPORTED = Path("data/unsupported.jsonl")
MODELS = ("tuned", "base")
ROUGE = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


def main() -> None:
    params = load().score
    need(CLEAN, "run clean first")

    import polars as pl

    from stages.common.words import choose_words
    from stages.scoring import tables
    from stages.scoring.bleu import statistics
    from stages.scoring.faithfulness import Checker, means
    from stages.scoring.lead import lead_2

    rows = pl.read_parquet(CLEAN)
    ids, dialogues = rows["id"].to_list(), rows["turns"].to_list()
    references = [[one_line(text) for text in texts] for texts in rows["references"]]
    words, reason = choose_words(params.tokenizer, [text for texts in references for text in texts])
    print(f"score: {reason}")
    summaries = {
        "tuned": read_summaries("tuned", ids),
        "base": read_summaries("base", ids),
        "first_two_turns": [lead_2(dialogue) for dialogue in dialogues],
        "constant": [params.constant] * len(ids),
    }
    systems = {name: [one_line(text) for text in texts] for name, texts in summaries.items()}
    counts = {name: statistics(texts, references, words) for name, texts in systems.items()}
    checker = Checker(dialogues, references, words, params.classifier, base_model(params))
    checked = checker.check_all(dialogues, summaries)
    scores = {
        name: measure(texts, references, counts[name], words, params)
        | means(one.measures for one in checked[name])
        for name, texts in systems.items()
    }
    signature = {name: score.pop("signature") for name, score in scores.items()}["tuned"]
    scores["references"] = checker.mean_of_references(dialogues, references)
    scores = {name: rounded(score) for name, score in scores.items()}
    figures = {"dialogues": len(ids), **scores, "bleu_signature": signature}
    write_json(METRICS / "score.json", figures | {"rouge_words": words.of_rouge})
    tables.write(METRICS, ids, dialogues, references, systems, counts, checked, scores)
    write_unsupported(ids, summaries, checked)
    print_table(scores)


def base_model(params: Score) -> Path | None:
    """For the measures that take one, if they are asked for."""
    return need(BASE, "run fetch@model first") if params.pmi else None


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
    return [row["summary"] for row in rows]


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
    return figures | {"signature": bleu["signature"]}


def rounded(figures: dict) -> dict:
    return {k: None if v is None else round(v, 3) for k, v in figures.items()}


def write_unsupported(ids: list[str], summaries: dict, checked: dict) -> None:
    """The models' summaries with the spans that their conversations do not hold."""
    with atomic_write(UNSUPPORTED) as aside, open(aside, "w", encoding="utf-8") as out:
        for i, id_ in enumerate(ids):
            for name in MODELS:
                text = summaries[name][i]
                spans = [
                    asdict(s) | {"text": text[s.start : s.end]} for s in checked[name][i].spans
                ]
                row = {"id": id_, "model": name, "summary": text, "unsupported": spans}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")


def print_table(scores: dict) -> None:
    print(
        "score:            BLEU  95 % interval  first ref.  ROUGE-1/2/L     numbers/names/roles held"
    )
    for name, s in scores.items():
        held = "/".join(
            map(shown, (s[k] for k in ("number_precision", "name_precision", "role_precision")))
        )
        if "bleu" not in s:
            print(f"{name:>16} {held:>66}")
            continue
        rouge = "/".join(f"{s[k]:.1f}" for k in ROUGE.values())
        interval = f"{s['bleu_low']:.1f} to {s['bleu_high']:.1f}"
        print(
            f"{name:>16} {s['bleu']:5.1f}  {interval:>13}  {s['bleu_first_reference']:10.1f}"
            f"  {rouge:>14}  {held:>24}"
        )


def shown(share: float | None) -> str:
    return "-" if share is None else f"{share:.0f}"


if __name__ == "__main__":
    run(main)
