"""One training of one adapter, from its last checkpoint where an earlier process was cut off."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    prepare_model_for_kbit_training,
)
from transformers import TrainerState, TrainingArguments, set_seed

from stages.common.checkpoints import last_checkpoint
from stages.common.cli import UserError
from stages.common.files import writing
from stages.common.models import Hardware, load_base
from stages.common.params import Finetune
from stages.common.rows import Collator, check_blind
from stages.common.trainer import ResumableTrainer


@dataclass(frozen=True)
class Task:
    """What trainings that differ in their params alone have in common."""

    base: Path
    hardware: Hardware
    train: Dataset  # of rows, see `stages.common.rows`, with `length` and `references`
    validation: Dataset
    collator: Collator

    def trainer(self, model, knobs: Finetune, folder: Path) -> ResumableTrainer:
        return ResumableTrainer(
            model=model,
            args=training_arguments(knobs, self.hardware, folder, len(self.train)),
            train_dataset=self.train,
            eval_dataset=self.validation,
            data_collator=self.collator,
            patience=knobs.patience,
            checkpoint_minutes=knobs.checkpoint_minutes,
        )


@dataclass(frozen=True)
class Run:
    """The history of a training, and how many of its steps this process made in how long."""

    state: TrainerState
    steps: int = 0
    seconds: float = 0.0

    def losses(self, key: str) -> list[tuple[int, float]]:
        """Step and `loss` or `eval_loss`, as logged."""
        return [(row["step"], row[key]) for row in self.state.log_history if key in row]


def train(task: Task, knobs: Finetune, folder: Path) -> tuple[ResumableTrainer, Run]:
    """Train to the end, with checkpoints in the folder. The trainer then has the best weights."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    set_seed(knobs.seed)
    model = add_lora(knobs, task.hardware, task.base)
    trainer = task.trainer(model, knobs, folder)
    print(
        f"finetune: {len(task.train)} dialogues with {sum(task.train['references'])} references,"
        f" {sum(task.train['length'])} tokens an epoch, {model.num_parameters(True):,} trainable"
        " parameters",
        flush=True,
    )
    return trainer, run_to_end(trainer, folder)


def run_to_end(trainer: ResumableTrainer, folder: Path) -> Run:
    """Train, from the last checkpoint in the folder if there is one."""
    last, started = last_checkpoint(folder), time.monotonic()
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    seconds = time.monotonic() - started
    first = int(last.name.partition("-")[2]) if last else 0
    return Run(trainer.state, trainer.state.global_step - first, seconds)


def check_weights(model: PeftModel) -> None:
    """Refuse an adapter that is none: no numbers, or weights that change nothing."""
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    if not all(matrix.isfinite().all() for matrix in weights.values()):
        raise UserError("the adapter holds weights that are no numbers: lower learning_rate")
    if not any(matrix.any() for name, matrix in weights.items() if "lora_B" in name):
        raise UserError("the adapter is empty, its best step is the first: see finetune.warmup")


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Weights in safetensors, and config. An XLA model is on the CPU afterwards."""
    # A set: written as it is, its order would be another in each run.
    config = model.peft_config["default"]
    config.target_modules = sorted(config.target_modules)
    if model.device.type == "xla":
        model.to("cpu")  # safetensors reads a tensor's memory, which XLA does not show
    model.save_pretrained(folder, safe_serialization=True)


def load_frozen(knobs: Finetune, hardware: Hardware, base: Path):
    """The base model, ready for an adapter to be trained on it."""
    model = load_base(base, knobs.quantization, hardware)
    check_blind(model)
    model.config.use_cache = False
    if knobs.quantization != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return model


def add_lora(knobs: Finetune, hardware: Hardware, base: Path):
    """The base model with fresh LoRA matrices; everything else is frozen."""
    model = load_frozen(knobs, hardware, base)
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


def training_arguments(
    knobs: Finetune, hardware: Hardware, checkpoints: Path, dialogues: int
) -> TrainingArguments:
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
