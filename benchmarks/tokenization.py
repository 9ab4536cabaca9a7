"""Tokenisation of a training split: seconds, CPU seconds and memory, beside a loop over its rows.

    python -m benchmarks.tokenization --rows 30000
    python -m benchmarks.tokenization --rows 300000 --sides ours

Writes dialogues of the bundled corpus's words, too long by a fifth, and reads them as finetune does.
The loop tokenises one text at a time, again to learn how long a cut one was, and keeps rows of
Python's integers; it is what finetune did before. Each side is a process of its own. Prints a
Markdown table, and fails where the sides' rows differ. Needs `models/base`.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data_scale import ROOT, processor
from stages.common.cli import run

SIDES = {"ours": "`read_dataset`", "loop": "one at a time, in lists"}
PROMPT, SUMMARY = 1150, 150  # tokens
WORDS = 1.35  # tokens of a word, about
BLOCK = 2000  # rows written at a time
COMPARED = 500  # rows by which both sides are compared


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokenization")
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--one", help="measure the first side on this file: JSON")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.sides[0], Path(args.one))))
        return
    names = ("tokenizers", "transformers", "datasets", "pyarrow")
    print(f"{processor()}, {os.cpu_count()} cores;", ", ".join(f"{n} {version(n)}" for n in names))
    print(f"load before: {os.getloadavg()[0]:.1f}\n")
    print("| side | rows | tokens | seconds | CPU seconds | µs a token | peak GB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    found = {}
    with tempfile.TemporaryDirectory(dir=ROOT / "data") as folder:
        split = Path(folder) / "train.parquet"
        write(split, args.rows)
        for side in args.sides:
            command = [sys.executable, "-m", "benchmarks.tokenization", "--one", str(split)]
            done = subprocess.run(
                [*command, "--sides", side], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
            )
            found[side] = one = json.loads(done.stdout.splitlines()[-1])
            print(
                f"| {SIDES[side]} | {args.rows:,} | {one['tokens']:,} | {one['seconds']:.1f} |"
                f" {one['cpu']:.1f} | {1e6 * one['seconds'] / one['tokens']:.2f} |"
                f" {one['peak_gb']:.2f} |",
                flush=True,
            )
    if len(found) > 1:
        if found["ours"]["rows"] != found["loop"]["rows"]:
            sys.exit("the sides' rows differ")
        seconds, cpu = (found["loop"][key] / found["ours"][key] for key in ("seconds", "cpu"))
        print(f"\nThe loop takes {seconds:.1f} times as long and {cpu:.1f} times the CPU seconds.")


def measure(side: str, split: Path) -> dict:
    from stages.finetune import BASE
    from stages.model.loading import load_tokenizer
    from stages.model.tokenization import prompt_frame
    from stages.params import load
    from stages.training.dataset import read_dataset

    raw = load()
    params = raw.model_copy(
        update={
            "format_prompts": raw.format_prompts.model_copy(update={"max_prompt_tokens": PROMPT}),
            "finetune": raw.finetune.model_copy(update={"max_summary_tokens": 2 * SUMMARY}),
        }
    )
    tokenizer = load_tokenizer(BASE)
    frame = prompt_frame(tokenizer, params.format_prompts)
    started, cpu = time.monotonic(), time.process_time()
    if side == "ours":
        rows = read_dataset(split, tokenizer, params, frame, split.parent / "ids")
    else:
        rows = loop(split, tokenizer, params, frame)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    for i in range(len(rows) if side == "ours" else 0):  # an epoch: its pages are in memory, too
        rows[i]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    some = [rows[i] for i in np.linspace(0, len(rows) - 1, COMPARED).astype(int).tolist()]
    return {
        "seconds": seconds,
        "cpu": cpu,
        "tokens": sum(rows["length"]),
        "peak_gb": peak,
        "rows": hashlib.sha256(json.dumps(some, sort_keys=True).encode()).hexdigest(),
    }


def loop(split: Path, tokenizer, params, frame: tuple[str, str]):
    from datasets import Dataset

    from stages.model.tokenization import tokenize_summary
    from stages.training.shared_prefix import build_row

    rows, sizes = [], []
    for row in pq.read_table(split).to_pylist():
        texts = row["references"]
        summaries = [tokenize_summary(tokenizer, text, params.format_prompts) for text in texts]
        prompt = tokenize_alone(tokenizer, row["conversation"], params.format_prompts, frame)
        unlimited = params.format_prompts.model_copy(update={"max_prompt_tokens": sys.maxsize})
        sizes.append(len(tokenize_alone(tokenizer, row["conversation"], unlimited, frame)))
        built = build_row(prompt, summaries)
        rows.append({**built, "length": len(built["input_ids"]), "references": len(summaries)})
    return Dataset.from_list(rows)


def tokenize_alone(tokenizer, conversation: str, knobs, frame: tuple[str, str]) -> list[int]:
    from stages.model.truncation import without_middle

    head, tail = frame

    def encode(text: str) -> tuple:
        one = tokenizer(head + text + tail, return_offsets_mapping=True, verbose=False)
        # It read the spans of all tokens to find what stands around the conversation.
        before = next(i for i, (_, stop) in enumerate(one.offset_mapping) if stop > len(head))
        after = sum(start >= len(head + text) for start, _ in one.offset_mapping)
        assert before + after < knobs.max_prompt_tokens
        return text, one.encodings[0]

    return without_middle(*encode(conversation), len(head), knobs.max_prompt_tokens, encode)


def write(split: Path, rows: int, seed: int = 0) -> None:
    """Dialogues of random words of the bundled corpus, as format_prompts writes them, in blocks."""
    shard = json.loads((ROOT / "data/bundled/train/dialogues_1.json").read_text(encoding="utf-8"))
    said = (turn for row in shard.values() for pair in row["log"] for turn in pair.values())
    words = np.array([word for text in said if isinstance(text, str) for word in text.split()])
    random = np.random.default_rng(seed)
    schema = pa.schema({"conversation": pa.string(), "references": pa.list_(pa.string())})

    def texts(tokens: float, count: int) -> list[str]:
        sizes = random.normal(tokens / WORDS, tokens / WORDS / 20, count).astype(int)
        return [" ".join(random.choice(words, size)) for size in sizes]

    with pq.ParquetWriter(split, schema) as out:
        for start in range(0, rows, BLOCK):
            count = min(BLOCK, rows - start)
            references = [[text] for text in texts(SUMMARY, count)]
            columns = [texts(1.2 * PROMPT, count), references]
            out.write_table(pa.table(columns, schema))


if __name__ == "__main__":
    run(main)
