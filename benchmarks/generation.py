"""Generation speed: the pipeline's batches beside other engines, on the same tuned model.

    python -m benchmarks.generation --dialogues 42

Run it where `make repro` has made `data/prompts`, `models/base` and `models/adapter`. The merged
model summarises the first validation dialogues, greedily but for the row that says otherwise, and
every side does so in a process of its own; loading and a first summary are not timed. CTranslate2
is measured if it is installed (`benchmarks/requirements.txt`), in the types that it supports on
this CPU. llama.cpp is left out: its Python binding has to be built from source. Prints a Markdown
table; CPU seconds, unlike rates, change little where other jobs run, with OMP_NUM_THREADS=1.
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
from collections.abc import Callable
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
    if engine != "ctranslate2":
        return None
    if not find_spec("ctranslate2"):
        return "not installed"
    from ctranslate2 import get_supported_compute_types

    supported = kind in get_supported_compute_types("cpu")
    return None if supported else f"{kind} is not supported on this CPU"


def print_table(results: dict, dialogues: int) -> None:
    names = [name for name in ("torch", "transformers", "ctranslate2") if find_spec(name)]
    first = next(iter(results.values()))
    print(
        f"{platform.processor() or platform.machine()}, {first['hardware']}, {first['threads']} of"
        f" {os.cpu_count()} cores, {', '.join(f'{name} {version(name)}' for name in names)},"
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

    from stages.common.models import choose_hardware, load_tokenizer
    from stages.common.params import load
    from stages.common.prompts import tokenize_prompt

    params, hardware = load(), choose_hardware(precision)
    knobs = params.generate.model_copy(update={"do_sample": False, "num_beams": 1})
    tokenizer = load_tokenizer(folder, params.format_prompts.chat_template)
    prompts = pl.read_parquet("data/prompts/validation.parquet")["prompt"].head(dialogues)
    # All sides see the same tokens: a conversation that is too long is cut once, here.
    encoded = [tokenize_prompt(tokenizer, prompt, params.format_prompts) for prompt in prompts]
    if side.startswith("ours"):
        knobs = knobs.model_copy(update={"num_beams": 4 if side == "ours-beams" else 1})
        generate = ours(folder, tokenizer, knobs, hardware, params.format_prompts, prompts)
    elif side == "loop":
        generate = loop(folder, tokenizer, knobs, hardware)
    elif side == "pipeline":
        generate = pipeline(folder, tokenizer, knobs, hardware)
    else:
        generate = ctranslate2(folder, tokenizer, knobs, side.partition("-")[2])
    generate(encoded[:1])
    started, used = time.monotonic(), time.process_time()
    summaries = generate(encoded)
    return {
        "rate": len(encoded) / (time.monotonic() - started),
        "cpu": (time.process_time() - used) / len(encoded),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "summaries": [" ".join(summary.split()) for summary in summaries],
        "hardware": str(hardware),
        "threads": torch.get_num_threads(),
    }


Texts = Callable[[list[list[int]]], list[str]]


def ours(folder, tokenizer, knobs, hardware, prompting, prompts) -> Texts:
    from stages.common.generation import summarize
    from stages.common.models import load_base

    model = load_base(folder, "none", hardware)

    def generate(encoded):
        some = prompts.head(len(encoded)).to_list()
        return summarize(model, tokenizer, some, prompting, knobs, progress=False)

    return generate


def loop(folder, tokenizer, knobs, hardware) -> Texts:
    import torch

    from stages.common.models import load_base

    model = load_base(folder, "none", hardware)
    options = {"max_new_tokens": knobs.max_new_tokens, "pad_token_id": tokenizer.pad_token_id}

    def generate(encoded):
        texts = []
        for ids in encoded:
            output = model.generate(torch.tensor([ids], device=model.device), **options)
            texts.append(tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True))
        return texts

    return generate


def pipeline(folder, tokenizer, knobs, hardware) -> Texts:
    from transformers import pipeline

    pipe = pipeline(
        "text-generation",
        folder,
        tokenizer=tokenizer,
        dtype=hardware.dtype,
        device=hardware.device,
        batch_size=16,
    )
    # It samples unless told otherwise.
    options = {"max_new_tokens": knobs.max_new_tokens, "do_sample": False}

    def generate(encoded):
        answers = pipe(
            [tokenizer.decode(ids) for ids in encoded], return_full_text=False, **options
        )
        return [answer[0]["generated_text"] for answer in answers]

    return generate


def ctranslate2(folder, tokenizer, knobs, kind: str) -> Texts:
    import torch
    from ctranslate2 import Generator
    from ctranslate2.converters import TransformersConverter

    converted = f"{folder}-{kind}"
    TransformersConverter(folder).convert(converted, quantization=kind)
    engine = Generator(converted, compute_type=kind, intra_threads=torch.get_num_threads())

    def generate(encoded):
        results = engine.generate_batch(
            [tokenizer.convert_ids_to_tokens(ids) for ids in encoded],
            max_batch_size=knobs.batch_size,
            max_length=knobs.max_new_tokens,
            end_token=tokenizer.eos_token,
            include_prompt_in_result=False,
        )
        ids = [result.sequences_ids[0] for result in results]
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    return generate


if __name__ == "__main__":
    main()
