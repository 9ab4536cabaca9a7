"""finetune: train a LoRA adapter on the base model, from prompts and references.

It trains on the references first. Then, if `finetune.ranking` asks for it, on a ranking of the
adapter's own candidates by how near they come to the references.

Reads `data/prompts/{train,validation}.parquet` and `models/base/`; writes `models/adapter/`
(safetensors, config, model card), `metrics/finetune.json` and the loss curves in `metrics/plots/`.
"""

from pathlib import Path

from stages.common.atomic_io import need, remove
from stages.common.cli import run
from stages.common.launch import launch
from stages.params import Params, load

PROMPTS = Path("data/prompts")
BASE = Path("models/base")
ADAPTER = Path("models/adapter")
CHECKPOINTS = Path("models/checkpoints")
METRICS = Path("metrics")
FEW = 1000  # dialogues
SPLITS = ("train", "validation")


def main() -> None:
    params = load()
    launch(params.run.launch)
    files = input_files()  # before the imports below, which take seconds

    from stages.model import processes
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_tokenizer
    from stages.model.usage import of_training
    from stages.training import adapter, checks, dataset, lora, metrics, ranking
    from stages.training.callbacks import training_callbacks
    from stages.training.trainer import make_trainer

    processes.join()
    hardware = choose_hardware(params.model.precision)
    checks.check_support(params, hardware)
    checks.check_lengths(params, BASE)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    usage = of_training(PROMPTS / "usage.json", tokenizer, params, BASE)
    first, second = checkpoint_folders(params, hardware, files)
    data = tuple(dataset.read_dataset(f, tokenizer, params, usage.rendered, first) for f in files)
    model = lora.load_lora(BASE, params, hardware)
    print_facts(params, hardware, data[0], model)
    callbacks = training_callbacks(params, METRICS)  # progress, checkpoints, Ctrl-C, trackers
    trainer = make_trainer(model, data, params, hardware, first, callbacks)
    trainer.train_to_end()
    checks.check_weights(model)
    figures, losses = metrics.of_training(trainer), metrics.curves(trainer.state)
    if params.finetune.ranking.candidates:
        ranking.save_start(model, second)
        del model, trainer  # their memory is needed
        trainer = ranking.train(data, tokenizer, params, hardware, BASE, second)
        figures["ranking"] = metrics.of_ranking(trainer)
        losses["validation"].append(metrics.ranking_point(figures))
    figures |= metrics.of_process(trainer.model)
    processes.leave_unless_first()
    adapter.write(trainer.model, params, figures, usage, ADAPTER)
    metrics.write(METRICS, figures, losses)
    print(metrics.result_line(figures))
    remove_all(first, second)


def input_files() -> list[Path]:
    need(BASE, "run fetch@model first")
    return [need(PROMPTS / f"{split}.parquet", "run format_prompts first") for split in SPLITS]


def print_facts(params: Params, hardware, train, model) -> None:
    """What is about to be trained, on what, and how much of it there is."""
    from stages.model.sharding import held
    from stages.training.lora import describe
    from stages.training.separate_rows import token_cost

    weights = {"none": "dense"}.get(params.model.quantization, params.model.quantization)
    references, tokens = sum(train["references"]), sum(train["length"])
    print(
        f"finetune: {weights} base on {hardware}, {model.num_parameters(True):,} parameters to train"
    )
    print(f"finetune: {describe(model)}")
    if params.run.fsdp:
        here, complete = (size / 1e9 for size in held(model))
        print(f"finetune: {here:.3g} of the base model's {complete:.3g} GB are in each process")
    print(f"finetune: {len(train)} dialogues, {references} references, {tokens:,} tokens an epoch")
    if model.rows.mask is None:
        cost = token_cost([train[i] for i in range(min(FEW, len(train)))])
        why = f"the references of a dialogue get a row each, for {model.rows.reason}"
        print(f"finetune: {why}: {cost:.1f} times these tokens")


def remove_all(*folders: Path) -> None:
    for folder in folders:
        remove(folder)


def checkpoint_folders(params: Params, hardware, files: list[Path]) -> tuple[Path, Path]:
    """Where the training on references and the one on a ranking keep their checkpoints.

    Named by all that decides their result. Another ranking begins from the same references.
    """
    from stages.common.resuming import fingerprint

    inputs = [*files, *BASE.iterdir()]
    others = f"{params.format_prompts} {params.model} {hardware}"
    references = params.finetune.model_dump_json(exclude={"ranking"})
    settings = f"{references} {others}", f"{params.finetune.model_dump_json()} {others}"
    return tuple(CHECKPOINTS / fingerprint(setting, inputs) for setting in settings)


if __name__ == "__main__":
    run(main)
