"""Speed and memory of QLoRA on a model of Llama-2-7B's shape: this pipeline beside the plain recipe.

    python -m benchmarks.gpu_qlora            # one GPU of 24 GB or more, 14 GB of disk; a Markdown table
    python -m benchmarks.gpu_qlora --tiny     # a model of two layers, on a CPU too: whether it runs

Ours is the pipeline's own loader, LoRA, rows and collator: a dialogue's prompt once with all of its
references, logits where a token is predicted; a row a dialogue, or several packed into one of all
the step's tokens (`finetune.row_tokens`). The plain recipe makes a row of each reference,
shuffles, pads to the longest of the batch, and computes all logits. Both take the same weights
(random), optimiser and tokens a step, padding included; those in nf4 and those in bf16 are loaded
in a process of their own. A dialogue's useful tokens are its prompt, once, and its references.
"""

import argparse
import contextlib
import gc
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.qlora_batches import our_batches, plain_batches

ROOT = Path(__file__).resolve().parents[1]
QUANTIZATION = {"nf4": "nf4", "bf16": "none"}
ROWS = ("plain", "ours", "packed")
WARM_UP = 3  # steps that are not timed: kernels are chosen, memory is reserved
SHAPES = {
    "llama-2-7b": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    "tiny": {
        "vocab_size": 500,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_qlora")
    parser.add_argument("--tiny", action="store_true", help="a model of two layers")
    parser.add_argument("--step-tokens", type=int, default=4096, help="of a step, with padding")
    parser.add_argument("--steps", type=int, default=10, help="timed ones")
    parser.add_argument("--weights", choices=QUANTIZATION, help=argparse.SUPPRESS)  # a child
    args = parser.parse_args()
    if args.weights:
        compare(args.weights, args)
        return
    with tempfile.TemporaryDirectory() as folder:
        shape = "tiny" if args.tiny else "llama-2-7b"
        make_base(Path(folder) / "models/base", shape)
        print(f"{shape} shape, {args.step_tokens} tokens a step; {machine()}\n")
        print("| weights | activation checkpointing | rows | useful tokens/s | peak GB |")
        print("|---|---|---|---:|---:|", flush=True)
        for weights in QUANTIZATION:
            command = [sys.executable, "-m", "benchmarks.gpu_qlora", *sys.argv[1:]]
            paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
            child = subprocess.run(
                [*command, "--weights", weights], cwd=folder, env=environment, check=False
            )
            if child.returncode:
                sys.exit(child.returncode)


def compare(weights: str, args: argparse.Namespace) -> None:
    """The table's rows for a model loaded once; one that does not fit in memory says so there."""
    import torch

    model = None
    for checkpointing, rows in itertools.product(("on", "off"), ROWS):
        figures = "out of memory | "
        with contextlib.suppress(torch.OutOfMemoryError):
            model = load(weights) if model is None else model
            rate, peak = measure(model, checkpointing, rows, args)
            figures = f"{rate:,.0f} | {peak:.1f}"
        print(f"| {weights} | {checkpointing} | {rows} | {figures} |", flush=True)


def machine() -> str:
    import bitsandbytes
    import torch
    import transformers

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{card}, {versions}, bitsandbytes {bitsandbytes.__version__}"


def make_base(folder: Path, shape: str) -> None:
    """Random weights in bf16, written as fetch would have them; loading quantises."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        config = LlamaConfig(**SHAPES[shape])
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    del model
    torch.cuda.empty_cache()


def load(weights: str):
    """The base as finetune loads it, with fresh LoRA on all of its linear layers."""
    from stages.model.hardware import choose_hardware
    from stages.params import Lora
    from stages.params import load as load_params
    from stages.training.lora import load_lora

    params = load_params(ROOT / "params.yaml")
    lora = Lora(r=16, alpha=32, dropout=0.05, target_modules="all-linear", last_layers=None)
    changes = {
        "finetune": params.finetune.model_copy(update={"lora": lora}),
        "model": params.model.model_copy(update={"quantization": QUANTIZATION[weights]}),
    }
    return load_lora(
        Path("models/base"), params.model_copy(update=changes), choose_hardware("bf16")
    )


def measure(model, checkpointing: str, rows: str, args: argparse.Namespace) -> tuple[float, float]:
    """Median useful tokens/s of the timed steps and the peak memory of training, in GB."""
    import torch
    from peft.helpers import disable_input_dtype_casting

    if checkpointing == "on":
        model.gradient_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_disable()
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    gpu = model.device.type == "cuda"
    if gpu:
        from bitsandbytes.optim import PagedAdamW8bit

        optimizer = PagedAdamW8bit(trainable, lr=2e-4)
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        optimizer = torch.optim.AdamW(trainable, lr=2e-4)
    model.train()
    model.zero_grad()  # what a step without enough memory left
    size = args.step_tokens, model.config.vocab_size
    batches = plain_batches(*size) if rows == "plain" else our_batches(*size, rows == "packed")
    rates, warm_up = [], 1 if args.tiny else WARM_UP
    for step, (batch, useful) in enumerate(batches):
        if step == warm_up + args.steps:
            break
        started = time.perf_counter()
        batch = {key: value.to(model.device) for key, value in batch.items()}
        # As finetune does: peft then makes no fp32 copies of the inputs, nor recomputes them so.
        with disable_input_dtype_casting(model, active=rows != "plain"):
            with torch.autocast(model.device.type, torch.bfloat16):
                loss = model(**batch, use_cache=False).loss
            loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if not loss.isfinite():  # waits for the GPU, too
            sys.exit("the loss is not finite")
        if gpu:
            torch.cuda.synchronize()
        rates.append(useful / (time.perf_counter() - started))
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    peak = torch.cuda.max_memory_allocated() / 1e9 if gpu else process
    return statistics.median(rates[warm_up:]), peak


if __name__ == "__main__":
    main()
