"""The generation variants of the benchmark on a GPU: summaries of the same length, timed."""

import argparse
import itertools
import time
from pathlib import Path

from benchmarks.gpu_models import (
    QUANTIZATION,
    load,
    memory_share,
    peak_memory,
    reason,
    reset_peak,
    synchronize,
)
from benchmarks.qlora_batches import dialogues

NEW_TOKENS = 64
PROMPTS, ALONE = 128, 8  # prompts; those of the slow variant
POOL = 0.3  # of the memory left, for the cache of `generate_batch`
FEW_BLOCKS = {"num_blocks": 16, "max_batch_tokens": 512}  # on a CPU
HEADER = "| shape | weights | generation | output tokens/s | peak GB |\n|---|---|---|---:|---:|"
VARIANTS = ("alone", "batch-16", "batch-64", "batch-128", "static-16", "generate_batch")


def compare(shape: str, weights: str, names: list[str], args: argparse.Namespace) -> None:
    """The table's rows for a model loaded once; a variant that fails says why there."""
    model, count = None, 4 if args.tiny else PROMPTS
    for name in names:
        try:
            model = load_to_generate(weights) if model is None else model
            vocabulary = model.config.vocab_size
            prompts = [prompt for prompt, _ in itertools.islice(dialogues(vocabulary), count)]
            generate(
                model, name, prompts[: width_of(name)], args.cap_gb
            )  # kernels are chosen and compiled
            reset_peak()
            chosen = prompts[:ALONE] if name == "alone" else prompts
            synchronize()
            started = time.perf_counter()
            tokens = generate(model, name, chosen, args.cap_gb)
            synchronize()
            rate = tokens / (time.perf_counter() - started)
            figures = f"{rate:,.0f} | {peak_memory():.1f}"
        except Exception as error:  # noqa: BLE001, the table goes on with the next
            figures = f"{reason(error)} | "
        print(f"| {shape} | {weights} | {name} | {figures} |", flush=True)


def load_to_generate(weights: str):
    """As generate has it: an adapter is merged into dense weights, and beside those in nf4."""
    from stages.model.hardware import choose_hardware
    from stages.model.inference import load_for_inference

    base = Path("models/base")
    if QUANTIZATION[weights] == "none":
        return load_for_inference(base, None, "none", choose_hardware("bf16"))
    return load(base, weights).eval()


def width_of(name: str) -> int:
    """Prompts at a time."""
    return {"alone": 1, "generate_batch": PROMPTS}.get(name) or int(name.partition("-")[2])


def generate(model, name: str, prompts: list[list[int]], cap_gb: float | None) -> int:
    """Greedy summaries; returns how many tokens they have."""
    import torch

    from stages.model.decoding import generate_shared, pad_left

    if name == "generate_batch":
        return continuous(model, prompts, cap_gb)
    tokens, width = 0, width_of(name)
    for start in range(0, len(prompts), width):
        rows = prompts[start : start + width]
        if name.startswith("batch"):
            tokens += generate_shared(model, rows, 0, NEW_TOKENS, eos_token_id=None).numel()
            continue
        ids, mask = pad_left(model, rows, 0)
        options = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "pad_token_id": 0}
        if name.startswith("static"):  # it is compiled, with CUDA graphs
            if model.device.type != "cuda":
                raise ValueError("CUDA graphs take a GPU")
            options["cache_implementation"] = "static"
        with torch.no_grad():
            output = model.generate(input_ids=ids, attention_mask=mask, **options)
        tokens += output[:, ids.shape[1] :].numel()
    return tokens


def continuous(model, prompts: list[list[int]], cap_gb: float | None) -> int:
    """By transformers' continuous batching, in a bounded share of the memory."""
    from transformers import ContinuousBatchingConfig, GenerationConfig

    config = GenerationConfig(
        max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=-1, pad_token_id=0
    )
    gpu = model.device.type == "cuda"
    bounds = {"max_memory_percent": POOL * memory_share(cap_gb)} if gpu else FEW_BLOCKS
    attention = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    try:
        outputs = model.generate_batch(
            prompts,
            generation_config=config,
            continuous_batching_config=ContinuousBatchingConfig(**bounds),
        )
    finally:
        model.set_attn_implementation(attention)
    if len(outputs) < len(prompts):
        raise RuntimeError(f"{len(outputs)} of {len(prompts)} came back")
    return sum(len(output.generated_tokens) for output in outputs.values())
