"""BLEU as an `evaluate.Metric` that is instantiated, not loaded: `evaluate.load` needs a hub."""

import tempfile

import datasets
import evaluate

from stages.common.words import ENGLISH, Words


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

    def _compute(
        self, predictions: list[str], references: list[list[str]], words: Words = ENGLISH
    ) -> dict:
        bleu = words.bleu()
        width = max(map(len, references))
        # sacrebleu wants streams: the k-th reference of every dialogue, None where there is none.
        streams = [[r[k] if k < len(r) else None for r in references] for k in range(width)]
        score = bleu.corpus_score(predictions, streams)
        return {"bleu": score.score, "signature": str(bleu.get_signature())}


def corpus_score(texts: list[str], references: list[list[str]], words: Words) -> dict:
    """`bleu`, 0 to 100, and its `signature`, with the metric's cache in a temporary folder.

    Its usual place is below HOME, which not everybody can write to.
    """
    with tempfile.TemporaryDirectory() as folder:
        metric = CorpusBleu(cache_dir=folder)
        return metric.compute(predictions=texts, references=references, words=words)
