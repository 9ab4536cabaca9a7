"""BLEU as an `evaluate.Metric` that is instantiated, not loaded: `evaluate.load` needs a hub."""

import datasets
import evaluate
from sacrebleu.metrics import BLEU


class CorpusBleu(evaluate.Metric):
    """Corpus BLEU of `predictions` against any number of `references` each, with its signature."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Corpus BLEU by sacrebleu, against all references.",
            citation="Post, 2018, A Call for Clarity in Reporting BLEU Scores.",
            inputs_description="predictions: list of str; references: list of lists of str",
            features=datasets.Features(
                {
                    "predictions": datasets.Value("string"),
                    "references": datasets.Sequence(datasets.Value("string")),
                }
            ),
        )

    def _compute(self, predictions: list[str], references: list[list[str]]) -> dict:
        bleu = BLEU()
        width = max(map(len, references))
        # sacrebleu wants streams: the k-th reference of every dialogue, None where there is none.
        streams = [[r[k] if k < len(r) else None for r in references] for k in range(width)]
        score = bleu.corpus_score(predictions, streams)
        return {"bleu": score.score, "signature": str(bleu.get_signature())}
