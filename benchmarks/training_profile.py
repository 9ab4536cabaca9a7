"""Where the time of a training step goes, by PyTorch's profiler.

    python -m benchmarks.training_profile --steps 30

Run it where `make repro` has made `data/prompts` and `models/base`; params are those of
`params.yaml`. Prints a Markdown table: each group's share of a step, and the floating-point
operations a second of the matrix products. Shares are of the profiled steps, whose seconds stand
beside those without a profiler.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import TrainerCallback

from benchmarks.data_scale import processor
from benchmarks.training import our_trainer, product_speed
from stages.common.cli import run
from stages.finetune import BASE, PROMPTS
from stages.model.hardware import choose_hardware
from stages.model.loading import load_tokenizer
from stages.model.tokenization import prompt_frame
from stages.params import load
from stages.training.dataset import read_dataset
from stages.training.lora import load_lora

WARM_UP = 10  # steps: kernels are compiled for each length of a row
PRODUCTS = ("aten::mm", "aten::addmm")
ATTENTION = ("aten::bmm", "aten::_softmax", "aten::_softmax_backward_data")
COPIES = ("aten::copy_", "aten::_to_copy", "aten::empty_strided", "aten::cat", "aten::contiguous")
ADAMW = ("Optimizer", "aten::lerp_", "aten::addcdiv_", "aten::addcmul_", "aten::sqrt", "aten::div")
MLP = ("aten::silu", "aten::silu_backward")


class Steps(TrainerCallback):
    """Times as many steps without the profiler as with it."""

    def __init__(self, steps: int):
        self.plain, self.profiled = [], []
        self.steps = steps
        self.profiler = profile(activities=[ProfilerActivity.CPU], record_shapes=True)

    def on_step_begin(self, args, state, *_, **__):
        if state.global_step == WARM_UP + self.steps:
            self.profiler.start()
        self.started = time.monotonic()

    def on_step_end(self, args, state, *_, **__):
        seconds = time.monotonic() - self.started
        if WARM_UP < state.global_step <= WARM_UP + self.steps:
            self.plain.append(seconds)
        elif state.global_step > WARM_UP + self.steps:
            self.profiled.append(seconds)
        if state.global_step == WARM_UP + 2 * self.steps:
            self.profiler.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_profile")
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    params = load()
    hardware = choose_hardware(params.model.precision)
    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    frame = prompt_frame(tokenizer, params.format_prompts)
    model = load_lora(BASE, params, hardware)
    with tempfile.TemporaryDirectory() as folder:
        rows = read_dataset(PROMPTS / "train.parquet", tokenizer, params, frame, Path(folder))
        trainer = our_trainer(params, model, rows.select(range(WARM_UP + 2 * args.steps)), hardware)
        steps = Steps(args.steps)
        trainer.add_callback(steps)
        trainer.train()
    print_table(steps, params.finetune.lora.r, model.config.get_text_config().vocab_size, hardware)


def print_table(steps: Steps, rank: int, vocabulary: int, hardware) -> None:
    seconds, operations = defaultdict(float), defaultdict(float)
    for event in steps.profiler.key_averages(group_by_input_shape=True):
        group = group_of(event, rank, vocabulary)
        seconds[group] += event.self_cpu_time_total / 1e6 / steps.steps
        operations[group] += event.count * product(event) / steps.steps
    plain, profiled = statistics.mean(steps.plain), statistics.mean(steps.profiled)
    seconds["Python, and what the profiler does not see"] = profiled - sum(seconds.values())
    speed = product_speed(hardware.dtype) / 1e9
    print(
        f"{processor()}, {os.cpu_count()} cores; torch {torch.__version__}; {time.strftime('%Y-%m-%d')};"
        f" {hardware}; a step: {plain:.3f} s, profiled {profiled:.3f} s\n"
    )
    print("| | share of a step | GFLOP/s | of a plain product |\n|---|---:|---:|---:|")
    for group, time_ in sorted(seconds.items(), key=lambda pair: -pair[1]):
        rate = operations[group] / time_ / 1e9
        figures = f"{rate:,.0f} | {rate / speed:.0%}" if rate else "| "
        print(f"| {group} | {time_ / profiled:.1%} | {figures} |")
    total = sum(operations.values()) / plain / 1e9
    print(f"| a step without the profiler | | {total:,.0f} | {total / speed:.0%} |")


def group_of(event, rank: int, vocabulary: int) -> str:
    sizes = {size for shape in event.input_shapes[:3] for size in shape if isinstance(size, int)}
    if event.key in PRODUCTS:
        if vocabulary in sizes:
            return "products with the output embedding"
        return "products with LoRA's matrices" if rank in sizes else "products with frozen layers"
    groups = {"attention": ATTENTION, "copies and casts": COPIES, "AdamW": ADAMW, "SiLU": MLP}
    for group, names in groups.items():
        if event.key.startswith(names):
            return group
    return "norms, positions, sums, autograd"


def product(event) -> float:
    """Floating-point operations of a matrix product; 0 for anything else."""
    if event.key not in (*PRODUCTS, "aten::bmm"):
        return 0.0
    one, other = event.input_shapes[event.key == "aten::addmm" :][:2]
    operations = 2.0 * other[-1]
    for size in one:
        operations *= size
    return operations


if __name__ == "__main__":
    run(main)
