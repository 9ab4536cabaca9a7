"""BLEU as an `evaluate.Metric`. It is instantiated directly, since `evaluate.load` needs a hub."""

import tempfile

import datasets
import evaluate

from stages.common.words import ENGLISH, Words


class CorpusBleu(evaluate.Metric):
    """Corpus BLEU with its signature. Predictions may have different numbers of references."""

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

    def _compute(
        self, predictions: list[str], references: list[list[str]], words: Words = ENGLISH
    ) -> dict:
        bleu = words.bleu()
        width = max(map(len, references))
        # sacrebleu takes one list for each k: the k-th reference of every dialogue, or None.
        streams = [[r[k] if k < len(r) else None for r in references] for k in range(width)]
        score = bleu.corpus_score(predictions, streams)
        return {"bleu": score.score, "signature": str(bleu.get_signature())}


def corpus_score(texts: list[str], references: list[list[str]], words: Words) -> dict:
    """`bleu`, 0 to 100, and its `signature`.

    The metric needs a folder for its cache. It is a temporary one, because HOME may be read-only.
    """
    with tempfile.TemporaryDirectory() as folder:
        metric = CorpusBleu(cache_dir=folder)
        return metric.compute(predictions=texts, references=references, words=words)
