"""Speed and memory of QLoRA on a model of Llama-2-7B's shape: this pipeline beside the plain recipe.

    python -m benchmarks.gpu_qlora            # one GPU of 24 GB or more, 14 GB of disk; a Markdown table
    python -m benchmarks.gpu_qlora --tiny     # a model of two layers, on a CPU too: whether it runs

Ours is the pipeline's own loader, LoRA, rows and collator: a dialogue's prompt once with all of its
references, logits where a token is predicted. The plain recipe makes a row of each reference,
shuffles, pads to the longest of the batch, and computes all logits. Both take the same weights
(random), optimiser and tokens a step, padding included; each runs in a process of its own. A
dialogue's useful tokens are its prompt, once, and its references.
"""

import argparse
import itertools
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 3  # steps that are not timed: kernels are chosen, memory is reserved
PROMPT, REFERENCES, REFERENCE = (80, 400), 3, (20, 60)  # about as long as TweetSumm's, in tokens
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
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)  # a run, in its own process
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        shape = "tiny" if args.tiny else "llama-2-7b"
        make_base(Path(folder) / "models/base", shape)
        print(f"{shape} shape, {args.step_tokens} tokens a step; {machine()}\n")
        print("| weights | activation checkpointing | rows | useful tokens/s | peak GB |")
        print("|---|---|---|---:|---:|")
        for weights, checkpointing in itertools.product(("nf4", "bf16"), ("on", "off")):
            for rows in ("plain", "ours"):
                figures = run_one(folder, [weights, checkpointing, rows])
                print(f"| {weights} | {checkpointing} | {rows} | {figures} |", flush=True)


def run_one(folder: str, one: list[str]) -> str:
    """The table's last two cells: a run that does not fit in memory says so there."""
    command = [sys.executable, "-m", "benchmarks.gpu_qlora", *sys.argv[1:], "--one", *one]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode and "OutOfMemoryError" in done.stderr:
        return "out of memory | "
    if done.returncode:
        sys.exit(done.stderr)
    result = json.loads(done.stdout.splitlines()[-1])
    return f"{result['rate']:,.0f} | {result['peak']:.1f}"


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


def measure(weights: str, checkpointing: str, rows: str, args: argparse.Namespace) -> dict:
    """Median useful tokens/s of the timed steps and the peak memory of training, in GB."""
    import torch

    from stages.common.models import choose_hardware
    from stages.common.params import Lora, load
    from stages.common.training import add_lora

    hardware = choose_hardware("bf16")
    lora = Lora(r=16, alpha=32, dropout=0.05, target_modules="all-linear", last_layers=None)
    quantization = {"nf4": "nf4", "bf16": "none"}[weights]
    knobs = load(ROOT / "params.yaml").finetune
    knobs = knobs.model_copy(update={"lora": lora, "quantization": quantization})
    model = add_lora(knobs, hardware, Path("models/base"))
    if checkpointing == "on":
        model.gradient_checkpointing_enable({"use_reentrant": False})
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    gpu = hardware.device == "cuda"
    if gpu:
        from bitsandbytes.optim import PagedAdamW8bit

        optimizer = PagedAdamW8bit(trainable, lr=2e-4)
        torch.cuda.reset_peak_memory_stats()
    else:
        optimizer = torch.optim.AdamW(trainable, lr=2e-4)
    model.train()
    batches = {"ours": our_batches, "plain": plain_batches}[rows]
    rates = []
    for step, (batch, useful) in enumerate(batches(args.step_tokens, model.config.vocab_size)):
        if step == WARM_UP + args.steps:
            break
        started = time.perf_counter()
        batch = {key: value.to(hardware.device) for key, value in batch.items()}
        with torch.autocast(hardware.device, torch.bfloat16):
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
    return {"rate": statistics.median(rates[WARM_UP:]), "peak": peak}


def dialogues(vocabulary: int) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Prompts with their references, random ids, the same ones in every run."""
    draw = random.Random(0)

    def ids(bounds: tuple[int, int]) -> list[int]:
        return draw.choices(range(3, vocabulary), k=draw.randint(*bounds))

    while True:
        yield ids(PROMPT), [ids(REFERENCE) for _ in range(REFERENCES)]


def our_batches(step_tokens: int, vocabulary: int) -> Iterator[tuple[dict, int]]:
    """The pipeline's batches, of as many dialogues as fit; and the useful tokens in each."""
    from stages.common.rows import Collator, build_row

    collate, rows = Collator(0), []
    for prompt, references in dialogues(vocabulary):
        row = build_row(prompt, references)
        if fits([*rows, row], step_tokens):
            rows.append(row)
            continue
        yield collate(rows), sum(len(row["input_ids"]) for row in rows)
        rows = [row]


def plain_batches(step_tokens: int, vocabulary: int) -> Iterator[tuple[dict, int]]:
    """Shuffled rows `prompt reference`, padded; a prompt's tokens are shared by its rows."""
    rows: list[dict] = []
    source = dialogues(vocabulary)
    while True:
        pool = [
            {
                "input_ids": prompt + reference,
                "prompt": len(prompt),
                "useful": len(prompt) / len(references) + len(reference),
            }
            for prompt, references in itertools.islice(source, 200)
            for reference in references
        ]
        random.Random(0).shuffle(pool)
        for row in pool:
            if fits([*rows, row], step_tokens):
                rows.append(row)
                continue
            yield pad(rows), round(sum(row["useful"] for row in rows))
            rows = [row]


def fits(rows: list[dict], step_tokens: int) -> bool:
    return len(rows) * max(len(row["input_ids"]) for row in rows) <= step_tokens


def pad(rows: list[dict]) -> dict:
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, row in enumerate(rows):
        length, start = len(row["input_ids"]), row["prompt"]
        ids[i, :length] = torch.tensor(row["input_ids"])
        mask[i, :length] = 1
        labels[i, start:length] = ids[i, start:length]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


if __name__ == "__main__":
    main()
