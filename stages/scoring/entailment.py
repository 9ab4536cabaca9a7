"""How far a conversation entails a summary, by any sentence-pair classifier: with a model, if asked.

The zero-shot scheme of SummaC (Laban et al., 2022, https://aclanthology.org/2022.tacl-1.10): for
each sentence of the summary the best probability over the turns of the conversation (or the
sentences of a text), and of these the mean.
"""

import re
from pathlib import Path

from stages.common.cli import UserError
from stages.scoring.lead import sentences

DOWNLOADS = Path("downloads")  # ignored by Git
FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # never code, never pickles
ENTAILED = re.compile(r"entail|support|consistent|factual|faithful")
NOT_ENTAILED = re.compile(r"^(not|non|no|in|un)[\W_]?|not[\W_]|contra|neutral|halluc")
GENERIC = ["label_0", "label_1"]
BATCH = 32


class Entailment:
    """A classifier of the hub, `name@revision`, or a local folder of safetensors."""

    def __init__(self, name: str):
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        folder = Path(name) if Path(name).is_dir() else download(name)
        own = {"trust_remote_code": False, "local_files_only": True}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, **own)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **own
            )
        except (OSError, ValueError, KeyError) as error:
            what = str(error).strip().splitlines()[0]
            raise UserError(f"score.classifier {name} cannot be loaded: {what}") from None
        if report["missing_keys"]:
            raise UserError(f"score.classifier {name} is no classifier of sentence pairs: its head is missing")  # fmt: skip
        self.label = entailed_label(name, model.config)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model.to(self.device).eval()
        known = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 512
        self.longest = min(self.tokenizer.model_max_length, known - 2)  # RoBERTa keeps two

    def __call__(self, turns: list[dict], summaries: list[str]) -> list[float | None]:
        """The score of each summary, 0 to 1; None for one that says nothing."""
        premises = premises_of(turns)
        claims = [claims_of(summary) for summary in summaries]
        pairs = [(premise, claim) for some in claims for claim in some for premise in premises]
        found = iter(self.probabilities(pairs))
        scores = []
        for some in claims:
            best = [max(next(found) for _ in premises) for _ in some] if premises else []
            scores.append(sum(best) / len(best) if best else None)
        return scores

    def probabilities(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Of entailment, for pairs of premise and claim; a long premise loses its end."""
        import torch

        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        found = [0.0] * len(pairs)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            premises, claims = zip(*(pairs[i] for i in some), strict=True)
            batch = self.tokenizer(
                list(premises),
                list(claims),
                padding=True,
                truncation="longest_first",
                max_length=self.longest,
                return_tensors="pt",
            ).to(self.device)
            with torch.inference_mode():
                logits = self.model(**batch).logits.float()
            one = logits.shape[-1] == 1
            values = logits.sigmoid()[:, 0] if one else logits.softmax(-1)[:, self.label]
            for i, value in zip(some, values.tolist(), strict=True):
                found[i] = value
        return found


def entailed_label(name: str, config) -> int:
    """The index of the label that means entailment; of a pair without names, the second."""
    labels = {i: label.lower() for i, label in config.id2label.items()}
    if len(labels) == 1 or [labels[i] for i in sorted(labels)] == GENERIC:
        return len(labels) - 1
    found = [i for i, s in labels.items() if ENTAILED.search(s) and not NOT_ENTAILED.search(s)]
    if len(found) != 1:
        said = ", ".join(config.id2label.values())
        raise UserError(
            f"score.classifier {name} has no label for entailment among {said}: name one so in its"
            " config.json (id2label)"
        )
    return found[0]


def download(name: str) -> Path:
    """The files of `name@revision` of the hub, in a folder that a second run uses again."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repository, _, revision = name.partition("@")
    folder = DOWNLOADS / f"classifier--{repository.replace('/', '--')}--{revision or 'main'}"
    try:
        snapshot_download(
            repository, revision=revision or "main", allow_patterns=FILES, local_dir=folder
        )
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        what = str(error).strip().splitlines()[0]
        raise UserError(
            f"score.classifier {name} is neither a folder nor could it be fetched: {what}"
        ) from None
    return folder


def premises_of(turns: list[dict]) -> list[str]:
    if len(turns) == 1 and turns[0]["speaker"] is None:
        return claims_of(turns[0]["text"])
    texts = (f"{t['speaker']}: {t['text']}" if t["speaker"] else t["text"] for t in turns)
    return [text for text in texts if text.strip()]


def claims_of(text: str) -> list[str]:
    """The sentences of the text."""
    parts = (text[start:end].strip() for start, end in sentences(text))
    return [part for part in parts if part]
