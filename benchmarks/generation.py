"""Generation speed: the pipeline's batches beside other engines, on the same tuned model.

    python -m benchmarks.generation --dialogues 42

Run it where `make repro` has made `data/prompts`, `models/base` and `models/adapter`. The merged
model summarises the first validation dialogues, greedily but for the row that says otherwise, and
every side does so in a process of its own; loading and a first summary are not timed. CTranslate2
is measured in the types that it supports on this CPU, llama.cpp where `llama-cpp-python==0.3.36` is
installed, which pip compiles for some minutes. Prints a Markdown table; CPU seconds, unlike rates,
change little where other jobs run, with OMP_NUM_THREADS=1. Peak memory includes torch, which every
process loads.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec

SIDES = {
    "loop": "`model.generate`, one at a time",
    "ours": "`stages.generate`",
    "ours-beams": "`stages.generate`, four beams",
    "pipeline": "`transformers.pipeline`, batches of 16",
    "ctranslate2-bfloat16": "CTranslate2, bf16",
    "ctranslate2-float32": "CTranslate2, fp32",
    "ctranslate2-int8": "CTranslate2, int8",
    "llama.cpp-f32": "llama.cpp, fp32",
    "llama.cpp-bf16": "llama.cpp, bf16",
    "llama.cpp-q8_0": "llama.cpp, Q8_0",
    "llama.cpp-q8_0-alone": "llama.cpp, Q8_0, one at a time",
}
BATCH = 16  # prompts that CTranslate2 and llama.cpp have in hand at a time
# Whatever params.yaml says: what every engine can do.
GREEDY = {
    "do_sample": False,
    "num_beams": 1,
    "min_new_tokens": 0,
    "no_repeat_ngram_size": 0,
    "repetition_penalty": 1.0,
}
# Modules, and the packages that they come in.
PACKAGES = {
    "torch": "torch",
    "transformers": "transformers",
    "ctranslate2": "ctranslate2",
    "llama_cpp": "llama-cpp-python",
}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.generation")
    parser.add_argument("--dialogues", type=int, default=42)
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto")
    parser.add_argument("--sides", choices=SIDES, nargs="+", default=list(SIDES))
    parser.add_argument("--model", help="measure one side with this merged model, print JSON")
    args = parser.parse_args()
    if args.model:
        print(json.dumps(measure(args.sides[0], args.model, args.dialogues, args.precision)))
        return
    missing = {side: why for side in args.sides if (why := not_measured(side))}
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        merged = f"{folder}/merged"
        python("tools.export", merged, "--dtype", "fp32")
        for side in args.sides:
            if side not in missing:
                print(f"generation: {side} …", file=sys.stderr, flush=True)
                options = ("--dialogues", str(args.dialogues), "--precision", args.precision)
                done = python("benchmarks.generation", "--model", merged, "--sides", side, *options)
                results[side] = json.loads(done.splitlines()[-1])
    print_table(results, args.dialogues)
    for side, why in missing.items():
        print(f"\nNot measured: {SIDES[side]} ({why}).")


def python(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def not_measured(side: str) -> str | None:
    """Why an engine cannot be measured here, if so."""
    engine, _, kind = side.partition("-")
    module = {"ctranslate2": "ctranslate2", "llama.cpp": "llama_cpp"}.get(engine)
    if module and not find_spec(module):
        return "not installed"
    if module != "ctranslate2":
        return None
    from ctranslate2 import get_supported_compute_types

    supported = kind in get_supported_compute_types("cpu")
    return None if supported else f"{kind} is not supported on this CPU"


def print_table(results: dict, dialogues: int) -> None:
    versions = [f"{name} {version(name)}" for module, name in PACKAGES.items() if find_spec(module)]
    first = next(iter(results.values()))
    print(
        f"{platform.processor() or platform.machine()}, {first['hardware']}, {first['threads']} of"
        f" {os.cpu_count()} cores, {', '.join(versions)},"
        f" {time.strftime('%Y-%m-%d')}; {dialogues} dialogues\n"
    )
    loop = results.get("loop")
    print("| side | summaries/s | times the loop | CPU s each | as the loop's | peak memory, GB |")
    print("|---|---:|---:|---:|---:|---:|")
    for side, result in results.items():
        pace = f"{result['rate'] / loop['rate']:.1f} ×" if loop else "–"
        pairs = zip(result["summaries"], loop["summaries"] if loop else [], strict=False)
        equal = sum(ours == theirs for ours, theirs in pairs)
        same = f"{100 * equal / dialogues:.0f} %" if loop and side != "ours-beams" else "–"
        print(
            f"| {SIDES[side]} | {result['rate']:.2f} | {pace} | {result['cpu']:.2f} | {same} |"
            f" {result['peak_gb']:.1f} |"
        )


def measure(side: str, folder: str, dialogues: int, precision: str) -> dict:
    """Summaries of one side, a second and in CPU seconds each, and peak memory in gigabytes."""
    import polars as pl
    import torch

    from benchmarks import engines
    from stages.generate import tidy
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_tokenizer
    from stages.model.tokenization import tokenize_prompt
    from stages.params import load

    params, hardware = load(), choose_hardware(precision)
    knobs = params.generate.model_copy(update=GREEDY)
    tokenizer = load_tokenizer(folder, params.format_prompts.chat_template)
    column = pl.read_parquet("data/prompts/validation.parquet")["conversation"]
    conversations = column.head(dialogues).to_list()
    # All sides see the same tokens: a conversation that is too long is cut once, here.
    encoded = [tokenize_prompt(tokenizer, text, params.format_prompts) for text in conversations]
    engine, _, kind = side.partition("-")
    if engine == "ours":
        knobs = knobs.model_copy(update={"num_beams": 4 if kind == "beams" else 1})
        prompting = params.format_prompts
        generate = engines.ours(folder, tokenizer, knobs, hardware, prompting, conversations)
    elif engine == "ctranslate2":
        generate = engines.ctranslate2(folder, tokenizer, knobs, kind, BATCH)
    elif engine == "llama.cpp":
        kind, _, alone = kind.partition("-")
        slots, longest = 1 if alone else BATCH, params.format_prompts.max_prompt_tokens
        generate = engines.llama_cpp(folder, tokenizer, knobs, kind, slots, longest)
    else:
        generate = getattr(engines, engine)(folder, tokenizer, knobs, hardware)
    generate(encoded[:1])
    started, used = time.monotonic(), time.process_time()
    summaries = generate(encoded)
    return {
        "rate": len(encoded) / (time.monotonic() - started),
        "cpu": (time.process_time() - used) / len(encoded),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "summaries": [tidy(summary) for summary in summaries],
        "hardware": str(hardware),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    main()
