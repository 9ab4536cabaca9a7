"""finetune: LoRA on the base model, from prompts and references to an adapter.

Reads `data/prompts/{train,validation}.parquet` and `models/base/`; writes `models/adapter/`
(safetensors, config, model card), `metrics/finetune.json` and the loss curves in `metrics/plots/`.
"""

import resource
import time
from pathlib import Path

from stages.common.cli import UserError, run
from stages.common.files import need, remove, replacing, write_json, writing
from stages.common.params import Finetune, FormatPrompts, load

PROMPTS = Path("data/prompts")
BASE = Path("models/base")
ADAPTER = Path("models/adapter")
CHECKPOINTS = Path("models/checkpoints")
PLOTS = Path("metrics/plots")


def main() -> None:
    params = load()
    need(PROMPTS, "run format_prompts first")
    need(BASE, "run fetch@model first")

    from transformers import set_seed

    from stages.common.card import model_card
    from stages.common.checkpoints import fingerprint, last_checkpoint
    from stages.common.models import check_support, choose_hardware, load_tokenizer
    from stages.common.rows import Collator
    from stages.common.trainer import ResumableTrainer

    knobs = params.finetune
    set_seed(knobs.seed)
    hardware = choose_hardware(knobs.precision)
    check_support(knobs, hardware)
    print(f"finetune: on {hardware}, base weights: {knobs.quantization} quantisation")
    prompting = params.format_prompts
    tokenizer = load_tokenizer(BASE, prompting.chat_template)
    train = tokenize_split("train", tokenizer, prompting, knobs.max_summary_tokens)
    validation = tokenize_split("validation", tokenizer, prompting, knobs.max_summary_tokens)
    model = add_lora(knobs, hardware)
    decisive = knobs.model_dump_json(exclude={"card", "checkpoint_minutes", "data_workers"})
    inputs = [PROMPTS / "train.parquet", PROMPTS / "validation.parquet", *BASE.iterdir()]
    checkpoints = CHECKPOINTS / fingerprint(
        f"{decisive} {prompting.model_dump_json()} {hardware}", inputs
    )
    with writing(checkpoints):
        checkpoints.mkdir(parents=True, exist_ok=True)
    trainer = ResumableTrainer(
        model=model,
        args=training_arguments(knobs, hardware, checkpoints, len(train)),
        train_dataset=train,
        eval_dataset=validation,
        data_collator=Collator(tokenizer.pad_token_id, knobs.row_tokens),
        patience=knobs.patience,
        checkpoint_minutes=knobs.checkpoint_minutes,
    )
    print(
        f"finetune: {len(train)} dialogues with {sum(train['references'])} references,"
        f" {sum(train['length'])} tokens an epoch, {model.num_parameters(True):,} trainable"
        " parameters",
        flush=True,
    )
    last, started = last_checkpoint(checkpoints), time.monotonic()
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    seconds = time.monotonic() - started
    first = int(last.name.partition("-")[2]) if last else 0
    metrics, curves = measure(trainer, sum(train["length"]), seconds, first)
    write_adapter(trainer.model, model_card(params, metrics))
    for name, points in curves.items():
        write_curve(PLOTS / f"{name}_loss.csv", points)
    write_json("metrics/finetune.json", metrics)
    loss, rate = metrics["validation_loss"], metrics["tokens_per_second"]
    print(f"finetune: validation loss {loss:.3f}, {rate:.0f} tokens/s, {seconds:.0f} s")
    remove(checkpoints)


def measure(trainer, epoch_tokens: int, seconds: float, first: int) -> tuple[dict, dict]:
    """The metrics, and the curves as lists of (step, loss).

    Speed is of the steps after `first`, which took `seconds`; losses and tokens of the whole run.
    """
    history, steps = trainer.state.log_history, trainer.state.global_step
    losses = [(row["step"], row["eval_loss"]) for row in history if "eval_loss" in row]
    train_losses = [(row["step"], row["loss"]) for row in history if "loss" in row]
    # A logged loss is the mean of the steps since the one before it.
    starts = [0, *(step for step, _ in train_losses)]
    spans = zip(train_losses, starts, strict=False)
    train_loss = sum(loss * (step - start) for (step, loss), start in spans) / starts[-1]
    tokens = int(epoch_tokens * trainer.state.epoch)
    rate = tokens * (steps - first) / steps / seconds
    metrics = {
        "validation_loss": round(min(loss for _, loss in losses), 6),
        "train_loss": round(train_loss, 6),
        "steps": steps,
        "epochs": round(trainer.state.epoch, 4),
        "trainable_parameters": trainer.model.num_parameters(only_trainable=True),
        "tokens": tokens,
        "tokens_per_second": round(rate, 1),
        "seconds": round(seconds, 1),
        "peak_memory_gb": round(peak_memory(), 2),
    }
    return metrics, {"train": train_losses, "validation": losses}


def write_adapter(model, card: str) -> None:
    """The adapter in safetensors with its card, unless it is none: weights that change nothing."""
    from peft import get_peft_model_state_dict

    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    if not all(matrix.isfinite().all() for matrix in weights.values()):
        raise UserError("the adapter holds weights that are no numbers: lower learning_rate")
    if not any(matrix.any() for name, matrix in weights.items() if "lora_B" in name):
        raise UserError("the adapter is empty, its best step is the first: see finetune.warmup")
    # A set: written as it is, its order would be another in each run.
    config = model.peft_config["default"]
    config.target_modules = sorted(config.target_modules)
    if model.device.type == "xla":
        model.to("cpu")  # safetensors reads a tensor's memory, which XLA does not show
    with replacing(ADAPTER) as aside:
        model.save_pretrained(aside, safe_serialization=True)
        (aside / "README.md").write_text(card, encoding="utf-8")


def add_lora(knobs: Finetune, hardware):
    """The base model with fresh LoRA matrices; everything else is frozen."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    from stages.common.models import load_base

    model = load_base(BASE, knobs.quantization, hardware)
    model.config.use_cache = False
    if knobs.quantization != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    modules, last = knobs.lora.target_modules, knobs.lora.last_layers
    layers = model.config.num_hidden_layers
    if last and last > layers:
        raise UserError(f"finetune.lora.last_layers is {last}: the base model has {layers} layers")
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=knobs.lora.r,
        lora_alpha=knobs.lora.alpha,
        lora_dropout=knobs.lora.dropout,
        target_modules=modules,
        layers_to_transform=list(range(layers - last, layers)) if last else None,
        layers_pattern="layers" if last else None,
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"finetune.lora.target_modules {modules}: {reason}") from None


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


def training_arguments(knobs: Finetune, hardware, checkpoints: Path, dialogues: int):
    import torch
    from transformers import TrainingArguments

    steps = max(1, dialogues // (knobs.batch_size * knobs.gradient_accumulation))
    every = max(1, round(steps / knobs.evals_per_epoch))
    return TrainingArguments(
        output_dir=str(checkpoints),
        seed=knobs.seed,
        num_train_epochs=knobs.epochs,
        per_device_train_batch_size=knobs.batch_size,
        per_device_eval_batch_size=knobs.batch_size,
        gradient_accumulation_steps=knobs.gradient_accumulation,
        optim=knobs.optimizer,
        learning_rate=knobs.learning_rate,
        lr_scheduler_type=knobs.schedule,
        warmup_steps=knobs.warmup,  # below 1: a share of the steps
        weight_decay=knobs.weight_decay,
        max_grad_norm=knobs.max_grad_norm,
        bf16=hardware.dtype == torch.bfloat16 and hardware.device != "xla",
        use_cpu=hardware.device == "cpu",
        train_sampling_strategy="group_by_length",  # of validation; of training see the trainer
        activation_checkpointing=knobs.activation_checkpointing,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=3,
        load_best_model_at_end=True,
        prediction_loss_only=True,
        remove_unused_columns=False,
        dataloader_num_workers=knobs.data_workers,
        dataloader_pin_memory=hardware.device == "cuda",
        logging_steps=max(1, steps // 20),
        report_to="none",
    )


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
