"""Fine-tuning speed: the pipeline's rows against TRL's `SFTTrainer`, same model, data and LoRA.

    python -m benchmarks.training --dialogues 24
    python -m benchmarks.training --dialogues 200 --seeds 42 43 --sides ours trl-grouped trl-packed

Run it where `make repro` has made `data/prompts` and `models/base`; TRL must be installed
(`benchmarks/requirements.txt`). Every side trains in a process of its own, on the same references
and with as many of them to an optimiser step, and its adapter is then measured by the same
validation loss. A seed decides the order of the rows and LoRA's first weights; a side's row is the
mean over its seeds. Prints a Markdown table.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from benchmarks.data_scale import processor

VALIDATION = 40  # dialogues
COUNTED = 24  # batches whose operations are counted
SIDES = {
    "ours": "one row a dialogue, all its references in it",
    "trl-defaults": "SFTTrainer, defaults",
    "trl-grouped": "SFTTrainer, bf16, grouped by length, completion only",
    "trl-eager": "the same with eager attention",
    "trl-packed": "SFTTrainer, bf16, packed to 1,024 tokens, completion only",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("--dialogues", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[42])
    parser.add_argument("--one", action="store_true", help="measure the first side and seed: JSON")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.sides[0], args.seeds[0], args.dialogues, args.epochs)))
        return
    results = {side: [] for side in args.sides}
    for seed in args.seeds:
        for side in args.sides:
            command = [sys.executable, "-m", "benchmarks.training", "--one"]
            command += ["--sides", side, "--seeds", str(seed)]
            command += ["--dialogues", str(args.dialogues), "--epochs", str(args.epochs)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            result = done.stdout.splitlines()[-1]
            print(f"training: {side}, seed {seed}: {result}", file=sys.stderr, flush=True)
            results[side].append(json.loads(result))
    print_table(results)


def print_table(results: dict) -> None:
    means = {
        side: {key: statistics.mean(one[key] for one in ones) for key in ones[0]}
        for side, ones in results.items()
    }
    ours = means["ours"]["references_per_second"] if "ours" in means else float("nan")
    packages = [name for name in ("torch", "transformers", "trl") if find_spec(name)]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"{processor()}, {os.cpu_count()} cores; {versions}; {time.strftime('%Y-%m-%d')}\n")
    print("| side | references/s | ours is faster | validation loss | peak memory, GB |")
    print("|---|---:|---:|---:|---:|")
    for side, mean in means.items():
        rate = mean["references_per_second"]
        print(
            f"| {SIDES[side]} | {rate:.2f} | {ours / rate:.1f} × |"
            f" {mean['validation_loss']:.4f} | {mean['peak_gb']:.1f} |"
        )
    if "ours" in means:
        share = means["ours"]["matmul_share"]
        print(f"\nOurs computes at {share:.0%} of the speed of a plain product of 2048 x 2048.")


def measure(side: str, seed: int, dialogues: int, epochs: int) -> dict:
    """Train one side; references a second, validation loss and peak memory in gigabytes."""
    import polars as pl
    import torch
    from transformers import set_seed

    from stages.finetune import BASE, PROMPTS
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_tokenizer
    from stages.model.tokenization import prompt_frame
    from stages.params import load
    from stages.training.dataset import read_dataset
    from stages.training.lora import load_lora

    params = load()
    knobs = params.finetune.model_copy(update={"seed": seed, "num_train_epochs": epochs})
    params = params.model_copy(update={"finetune": knobs})
    set_seed(seed)
    hardware = choose_hardware(params.model.precision if side != "trl-defaults" else "fp32")
    tokenizer, folder = load_tokenizer(BASE), Path(tempfile.mkdtemp())
    frame = prompt_frame(tokenizer, params.format_prompts)
    model = load_lora(BASE, params, hardware)
    if side != "ours":
        model.set_attn_implementation("eager" if side == "trl-eager" else "sdpa")
    rows = pl.read_parquet(PROMPTS / "train.parquet").head(dialogues).to_dicts()
    references = sum(len(row["references"]) for row in rows)
    if side == "ours":
        split = read_dataset(PROMPTS / "train.parquet", tokenizer, params, frame, folder)
        trainer = our_trainer(params, model, split.select(range(len(rows))), hardware)
    else:
        trainer = trl_trainer(side, params, model, tokenizer, rows, hardware)
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    share = matmul_share(trainer, epochs, seconds, hardware) if side == "ours" else 0.0
    model.eval()
    model.set_attn_implementation("sdpa")
    validation = read_dataset(PROMPTS / "validation.parquet", tokenizer, params, frame, folder)
    validation = validation.select(range(min(VALIDATION, len(validation))))
    dtype = hardware.dtype
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        loss = validation_loss(model, validation)
    return {
        "references_per_second": references * epochs / seconds,
        "validation_loss": loss,
        "peak_gb": peak,
        "matmul_share": share,
    }


def matmul_share(trainer, epochs: int, seconds: float, hardware) -> float:
    """Floating-point operations a second of the training, as a share of a plain product's."""
    from torch.utils.flop_counter import FlopCounterMode

    loader = trainer.get_train_dataloader()
    batches = list(itertools.islice(loader, COUNTED))
    with FlopCounterMode(display=False) as counter:
        for batch in batches:
            with trainer.compute_loss_context_manager():
                trainer.compute_loss(trainer.model, batch).backward()
    speed = counter.get_total_flops() * len(loader) / len(batches) * epochs / seconds
    return speed / product_speed(hardware.dtype)


def product_speed(dtype) -> float:
    """Floating-point operations a second of a product of 2048 x 2048."""
    import torch

    one, other = torch.randn(2, 2048, 2048, dtype=dtype)
    times = []
    for _ in range(20):
        started = time.monotonic()
        one @ other
        times.append(time.monotonic() - started)
    return 2 * 2048**3 / statistics.median(times)


def validation_loss(model, rows) -> float:
    """Mean over predicted tokens."""
    from stages.training.shared_prefix import Collator

    collate, total, tokens = Collator(), 0.0, 0
    for row in rows:
        batch = collate([row])
        count = len(batch["labels"])
        total += model(**batch).loss.item() * count
        tokens += count
    return total / tokens


def our_trainer(params, model, train, hardware):
    """The pipeline's trainer, without evaluations and checkpoints."""
    from stages.training.arguments import training_arguments
    from stages.training.shared_prefix import Collator
    from stages.training.trainer import ResumableTrainer

    arguments = training_arguments(params, hardware, Path(tempfile.mkdtemp()), len(train))
    arguments.eval_strategy = arguments.save_strategy = "no"
    arguments.load_best_model_at_end = False
    return ResumableTrainer(
        model=model,
        args=arguments,
        train_dataset=train,
        data_collator=Collator(params.finetune.row_tokens),
    )


def trl_trainer(side, params, model, tokenizer, rows, hardware):
    """As its manual has it: prompt and completion, a row a reference, prompts cut as ours are."""
    import torch
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from stages.model.tokenization import tokenize_prompt

    def cut(text: str) -> str:
        return tokenizer.decode(tokenize_prompt(tokenizer, text, params.format_prompts))

    pairs = [
        {"prompt": cut(row["conversation"]), "completion": " " + reference}
        for row in rows
        for reference in row["references"]
    ]
    knobs = params.finetune
    each = (
        round(len(pairs) / len(rows))
        * knobs.per_device_train_batch_size
        * knobs.gradient_accumulation_steps
    )
    grouped = {
        "per_device_train_batch_size": each,
        "train_sampling_strategy": "group_by_length",
    }
    options = {
        "trl-defaults": {"per_device_train_batch_size": each},
        "trl-grouped": grouped,
        "trl-eager": grouped,
        "trl-packed": {"per_device_train_batch_size": 1, "packing": True, "max_length": 1024},
    }[side]
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(),
        seed=knobs.seed,
        num_train_epochs=knobs.num_train_epochs,
        learning_rate=knobs.learning_rate,
        lr_scheduler_type=knobs.lr_scheduler_type,
        warmup_steps=knobs.warmup_ratio,
        weight_decay=knobs.weight_decay,
        bf16=hardware.dtype == torch.bfloat16,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        **options,
    )
    return SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer
    )


if __name__ == "__main__":
    main()
