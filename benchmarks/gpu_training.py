"""The training variants of the benchmark on a GPU: each one's steps, timed, as rows of a table."""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu_models import (
    load,
    matmul_tflops,
    peak_memory,
    reason,
    reset_peak,
    synchronize,
)
from benchmarks.qlora_batches import our_batches, plain_batches

WARM_UP = 3  # steps that are not timed: kernels are chosen and compiled, memory is reserved
HEADER = (
    "| weights | activation checkpointing | rows | useful tokens/s | TFLOP/s"
    " | share of a product | peak GB |\n|---|---|---|---:|---:|---:|---:|"
)


@dataclass(frozen=True)
class Variant:
    rows: str  # plain: a row a reference | ours: a row a dialogue | packed | trl, trl-packed
    times: int = 1  # the tokens of a step
    blocks: bool = False
    compiled: bool = False
    liger: bool = False


VARIANTS = {  # last are those whose changes a model keeps: Liger's layers, what TRL sets
    "plain": Variant("plain"),
    "ours": Variant("ours"),
    "packed": Variant("packed"),
    "packed-2x": Variant("packed", times=2),
    "blocks": Variant("packed", blocks=True),
    "blocks-2x": Variant("packed", times=2, blocks=True),
    "compiled": Variant("packed", blocks=True, compiled=True),
    "liger": Variant("packed", blocks=True, liger=True),
    "trl": Variant("trl"),
    "trl-packed": Variant("trl-packed"),
}


def compare(weights: str, names: list[str], args: argparse.Namespace) -> None:
    """The table's rows for a model loaded once; a variant that fails says why there."""
    model, ceiling = None, matmul_tflops()
    for name, checkpointing in itertools.product(names, ("on", "off")):
        cells = f"| {weights} | {checkpointing} | {name} |"
        try:
            model = load(Path("models/base"), weights) if model is None else model
            set_checkpointing(model, checkpointing)
            rate, tflops, peak = measure(model, VARIANTS[name], args)
            figures = f"{rate:,.0f} | {tflops:.1f} | {tflops / ceiling:.0%} | {peak:.1f}"
        except Exception as error:  # noqa: BLE001, the table goes on with the next
            figures = f"{reason(error)} | | | "
        print(f"{cells} {figures} |", flush=True)


def set_checkpointing(model, checkpointing: str) -> None:
    if checkpointing == "on":
        model.gradient_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_disable()


def measure(model, variant: Variant, args: argparse.Namespace) -> tuple[float, float, float]:
    """Median useful tokens/s and TFLOP/s of the timed steps, and the peak memory in GB."""
    warm_up, tokens = 1 if args.tiny else WARM_UP, args.step_tokens * variant.times
    reset_peak()
    model.train()
    model.zero_grad()  # what a step without enough memory left
    if variant.rows.startswith("trl"):
        from benchmarks.gpu_trl import timed_steps

        steps = timed_steps(model, variant.rows == "trl-packed", tokens, warm_up + args.steps)
    else:
        with prepared(model, variant):
            steps = list(itertools.islice(own_steps(model, variant, tokens), warm_up + args.steps))
    rate = statistics.median(useful / seconds for seconds, useful, _ in steps[warm_up:])
    speed = statistics.median(flops / seconds for seconds, _, flops in steps[warm_up:])
    return rate, speed / 1e12, peak_memory()


@contextmanager
def prepared(model, variant: Variant) -> Iterator[None]:
    """The model as the variant has it. Liger's layers stay; the rest is undone."""
    from stages.model.hardware import choose_hardware
    from stages.training.block_masks import use_blocks
    from stages.training.liger import check_liger, use_liger

    base = model.get_base_model()
    forward, attention = base.forward, base.config._attn_implementation
    layers = base.get_decoder().layers
    try:
        if variant.liger:
            check_liger(choose_hardware("bf16"))
            use_liger(base.eval())
            base.train()
        if variant.blocks:
            use_blocks(base)
        if variant.compiled:
            for layer in layers:
                layer.compile()
        yield
    finally:
        base.forward = forward
        base.set_attn_implementation(attention)
        for layer in layers:
            layer._compiled_call_impl = None


def own_steps(model, variant: Variant, tokens: int) -> Iterator[tuple[float, int, float]]:
    """Steps of training, each with its seconds, useful tokens and floating-point operations."""
    import torch
    from peft.helpers import disable_input_dtype_casting

    from stages.training.block_masks import BLOCKS

    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer, size = make_optimizer(trainable), (tokens, model.config.vocab_size)
    mask = BLOCKS if variant.blocks else torch.bool
    plain = variant.rows == "plain"
    batches = plain_batches(*size) if plain else our_batches(*size, variant.rows == "packed", mask)
    for batch, useful in batches:
        started = time.perf_counter()
        batch = {key: value.to(model.device) for key, value in batch.items()}
        # As finetune does: peft then makes no fp32 copies of the inputs, nor recomputes them so.
        with disable_input_dtype_casting(model, active=not plain):
            with torch.autocast(model.device.type, torch.bfloat16):
                loss = model(**batch, use_cache=False).loss
            loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if not loss.isfinite():  # waits for the GPU, too
            raise ValueError("the loss is not finite")
        synchronize()
        predicted = batch["input_ids"].numel() if plain else len(batch["labels"])
        flops = operations(model, batch["input_ids"].numel(), predicted)
        yield time.perf_counter() - started, useful, flops


def make_optimizer(trainable: list):
    import torch

    if not torch.cuda.is_available():
        return torch.optim.AdamW(trainable, lr=2e-4)
    from bitsandbytes.optim import PagedAdamW8bit

    return PagedAdamW8bit(trainable, lr=2e-4)


def operations(model, tokens: int, predicted: int) -> float:
    """Of the forward and the backward pass over frozen weights: four a weight and token.

    Padding counts; attention, LoRA and what activation checkpointing computes again do not.
    """
    layers = model.get_base_model().get_decoder().layers
    linear = (m for name, m in layers.named_modules() if "lora_" not in name)
    weights = sum(m.in_features * m.out_features for m in linear if is_frozen_linear(m))
    head = model.config.hidden_size * model.config.vocab_size
    return 4 * (weights * tokens + head * predicted)


def is_frozen_linear(module) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear)
