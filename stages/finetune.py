"""finetune: LoRA on the base model, from prompts and references to an adapter.

First the references are learnt, by one training or the mean of several, then (`finetune.ranking`)
which of the adapter's own candidates come near to them.

Reads `data/prompts/{train,validation}.parquet` and `models/base/`; writes `models/adapter/`
(safetensors, config, model card), `metrics/finetune.json` and the loss curves in `metrics/plots/`.
"""

import resource
from pathlib import Path

from stages.common.cli import UserError, run
from stages.common.files import need, remove, replacing, write_json
from stages.common.params import FormatPrompts, load

PROMPTS = Path("data/prompts")
BASE = Path("models/base")
ADAPTER = Path("models/adapter")
CHECKPOINTS = Path("models/checkpoints")
PLOTS = Path("metrics/plots")
IDLE = {"card", "checkpoint_minutes", "data_workers"}  # params that change no weight


def main() -> None:
    params = load()
    need(PROMPTS, "run format_prompts first")
    need(BASE, "run fetch@model first")

    from stages.common.card import model_card
    from stages.common.checkpoints import fingerprint
    from stages.common.models import check_layers, check_support, choose_hardware, load_tokenizer
    from stages.common.ranking import save_start, train_on_ranking
    from stages.common.rows import Collator
    from stages.common.soup import train_soup
    from stages.common.training import Task

    knobs, prompting = params.finetune, params.format_prompts
    hardware = choose_hardware(knobs.precision)
    check_support(knobs, hardware)
    print(f"finetune: on {hardware}, base weights: {knobs.quantization} quantisation")
    tokenizer = load_tokenizer(BASE, prompting.chat_template)
    check_layers(BASE, prompting, knobs)
    splits = [
        tokenize_split(name, tokenizer, prompting, knobs.max_summary_tokens)
        for name in ("train", "validation")
    ]
    task = Task(BASE, hardware, *splits, Collator(tokenizer.pad_token_id, knobs.row_tokens))
    inputs = [PROMPTS / "train.parquet", PROMPTS / "validation.parquet", *BASE.iterdir()]
    members = []
    for number in range(knobs.soup):
        one = knobs.model_copy(update={"seed": (knobs.seed + number) % 2**32, "soup": 1})
        settings = f"{one.model_dump_json(exclude={*IDLE, 'ranking'})} {prompting} {hardware}"
        members.append((one, CHECKPOINTS / fingerprint(settings, inputs)))
    settings = f"{knobs.model_dump_json(exclude=IDLE)} {prompting} {hardware}"
    ranking = CHECKPOINTS / fingerprint(settings, inputs)
    trainer, runs, loss = train_soup(task, members)
    trained = measure(runs, sum(task.train["length"]))
    losses = curve(runs, "eval_loss") + [(trained["steps"], loss)] * (knobs.soup > 1)
    if knobs.ranking.candidates:
        save_start(trainer.model, ranking)
        del trainer  # its memory is needed
        trainer, figures = train_on_ranking(task, knobs, tokenizer, ranking)
        figures["validation_loss"] = round(trainer.evaluate()["eval_loss"], 6)
        losses.append((trained["steps"] + figures["steps"], figures["validation_loss"]))
        trained["ranking"] = figures
    metrics = {
        "validation_loss": round(loss, 6),
        **trained,
        "trainable_parameters": trainer.model.num_parameters(only_trainable=True),
        "peak_memory_gb": round(peak_memory(), 2),
    }
    write_adapter(trainer.model, model_card(params, metrics))
    write_curve(PLOTS / "train_loss.csv", curve(runs, "loss"))
    write_curve(PLOTS / "validation_loss.csv", losses)
    write_json("metrics/finetune.json", metrics)
    rate, seconds = metrics["tokens_per_second"], metrics["seconds"]
    print(f"finetune: validation loss {loss:.3f}, {rate:.0f} tokens/s, {seconds:.0f} s")
    for folder in [ranking, *(folder for _, folder in members)]:
        remove(folder)


def measure(runs: list, epoch_tokens: int) -> dict:
    """Sums over the trainings. Speed is of the steps that this process made."""
    # A logged loss is the mean of the steps since the one before it.
    train_loss, logged = 0.0, 0
    for run_ in runs:
        start = 0
        for step, loss in run_.losses("loss"):
            train_loss += loss * (step - start)
            start = step
        logged += start
    steps, epochs = (sum(getattr(r.state, key) for r in runs) for key in ("global_step", "epoch"))
    seconds, tokens = sum(run_.seconds for run_ in runs), int(epoch_tokens * epochs)
    made = tokens * sum(run_.steps for run_ in runs) / steps
    return {
        "train_loss": round(train_loss / logged, 6),
        "steps": steps,
        "epochs": round(epochs, 4),
        "tokens": tokens,
        "tokens_per_second": round(made / seconds if seconds else 0.0, 1),
        "seconds": round(seconds, 1),
    }


def curve(runs: list, key: str) -> list[tuple[int, float]]:
    """A loss by step, one training after the other."""
    points, first = [], 0
    for run_ in runs:
        points += [(first + step, loss) for step, loss in run_.losses(key)]
        first += run_.state.global_step
    return points


def write_adapter(model, card: str) -> None:
    from stages.common.training import save_adapter

    with replacing(ADAPTER) as aside:
        save_adapter(model, aside)
        (aside / "README.md").write_text(card, encoding="utf-8")


def tokenize_split(split: str, tokenizer, prompting: FormatPrompts, max_summary_tokens: int):
    """A `datasets.Dataset` of rows, see `stages.common.rows`, with `length` and `references`."""
    import polars as pl
    from datasets import Dataset

    from stages.common.prompts import tokenize_prompt, tokenize_summary
    from stages.common.rows import build_row

    rows, long = [], 0
    for row in pl.read_parquet(PROMPTS / f"{split}.parquet").iter_rows(named=True):
        summaries = [tokenize_summary(tokenizer, text, prompting) for text in row["references"]]
        fitting = [ids for ids in summaries if len(ids) <= max_summary_tokens]
        long += len(summaries) - len(fitting)
        if fitting:
            prompt = tokenize_prompt(tokenizer, row["prompt"], prompting)
            built = build_row(prompt, fitting)
            size = {"length": len(built["input_ids"]), "references": len(fitting)}
            rows.append({**built, **size})
    if long:
        print(f"finetune: {long} references of {split} left out, above max_summary_tokens")
    if not rows:
        raise UserError(f"no row of {split} has a reference within finetune.max_summary_tokens")
    return Dataset.from_list(rows)


def peak_memory() -> float:
    """Gigabytes: of the GPU where there is one, else of the process (Linux counts kilobytes)."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def write_curve(path: Path, points: list[tuple[int, float]]) -> None:
    with replacing(path) as aside:
        lines = ["step,loss", *(f"{step},{loss:.6f}" for step, loss in points)]
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
