"""From `params.yaml` to the optimizer, the schedule and all other settings of `transformers`."""

from pathlib import Path

import torch
from transformers import TrainingArguments

from stages.model.hardware import Hardware
from stages.params import Params
from stages.training.trackers import PROJECT, run_name


def training_arguments(
    params: Params, hardware: Hardware, checkpoints: Path, dialogues: int
) -> TrainingArguments:
    """The settings of `transformers`; `dialogues` is the size of the training split."""
    knobs = params.finetune
    steps = max(
        1, dialogues // (knobs.per_device_train_batch_size * knobs.gradient_accumulation_steps)
    )
    every = max(1, round(steps / knobs.evals_per_epoch))
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        seed=knobs.seed,
        num_train_epochs=knobs.num_train_epochs,
        per_device_train_batch_size=knobs.per_device_train_batch_size,
        per_device_eval_batch_size=knobs.per_device_train_batch_size,
        gradient_accumulation_steps=knobs.gradient_accumulation_steps,
        optim=knobs.optim,
        learning_rate=knobs.learning_rate,
        lr_scheduler_type=knobs.lr_scheduler_type,
        warmup_steps=knobs.warmup_ratio,  # transformers reads a value below 1 as a share
        weight_decay=knobs.weight_decay,
        max_grad_norm=knobs.max_grad_norm,
        bf16=hardware.autocast and hardware.dtype == torch.bfloat16,
        fp16=hardware.autocast and hardware.dtype == torch.float16,  # with loss scaling
        use_cpu=hardware.device == "cpu",
        train_sampling_strategy="group_by_length",  # for validation; training has EpochSampler
        activation_checkpointing=knobs.activation_checkpointing,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=3,
        load_best_model_at_end=True,
        prediction_loss_only=True,
        remove_unused_columns=False,
        dataloader_num_workers=params.run.dataloader_num_workers,
        dataloader_pin_memory=hardware.device == "cuda",
        logging_steps=max(1, steps // 20),
        disable_tqdm=True,
        report_to="none",  # the trackers of run.report_to are among the callbacks
        run_name=run_name(checkpoints),
        project=PROJECT,
    )
    # With more GPUs `Trainer` would wrap the model in `DataParallel`, which divides a batch by rows:
    # predicted tokens are not that long. A quantised model would train on batches twice as large.
    if arguments.device.type == "cuda":
        arguments._n_gpu = 1
    return arguments
