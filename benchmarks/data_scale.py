"""A million dialogues through clean and format_prompts: seconds, memory, and against `re`.

    python -m benchmarks.data_scale --rows 100000 300000 1000000 --sample 50000

Writes dialogues of random words in DialogStudio's layout, 98 % of them train, and runs the two
stages on them as a user does. Beside them a `datasets.map`, row by row, applies the same rules with
Python's `re` to a sample, in memory and on one core; what it makes must be what the stages made.
The stages also look for repeats and read and write Parquet. Prints a Markdown table.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.per_row import map_rows
from stages.common.cli import run
from stages.params import load

ROOT = Path(__file__).resolve().parents[1]
TURNS = 8  # of 14 words on average: 112 words a dialogue
WORDS = 14
SHARES = {"test": 0.01, "validation": 0.01, "train": 0.98}
# What the cleaning rules look for, about as often among words as in real tweets.
SPICE = {
    "https://t.co/aB3dE5fG7h": 0.012,
    "@AcmeHelp": 0.03,
    "@115858": 0.002,
    "&amp;": 0.006,
    "😀": 0.006,
    "#fail": 0.006,
    "it’s": 0.01,
    "11:45": 0.003,
    "£12.50": 0.002,
    "jo.doe@example.com": 0.0001,
    "+44 20 7946 0958": 0.0004,
    "order #12345678": 0.0003,
    "4111 1111 1111 1111": 0.0001,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--sample", type=int, default=50_000, help="rows of the per-row map")
    args = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()},", end=" ")
    print(
        ", ".join(f"{name} {version(name)}" for name in ("polars", "pyarrow", "datasets")), end=";"
    )
    print(f" load before: {os.getloadavg()[0]:.1f}\n")
    print("| rows | what | seconds | CPU seconds | peak MB | µs a row |")
    print("|---:|---|---:|---:|---:|---:|")
    for rows in args.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder, rows)
            params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
            ours = stages(folder, params, rows)
            if rows == args.rows[-1]:
                # A map cannot look for near-duplicates: without them both sides do the same work.
                params["clean"]["near_duplicates"] = None
                equal = stages(folder, params, rows, ", no near-duplicates")
                sample = min(args.sample, round(rows * SHARES["train"]))
                theirs = compare(folder, sample)
                report(sample, "`datasets.map`, per row", *theirs)
                print("\nPer row, `datasets.map` takes", times(theirs, sample, equal, rows))
                print("as the stages without near-duplicates; with them,", end=" ")
                print(times(theirs, sample, ours, rows) + ".")


def stages(folder: Path, params: dict, rows: int, note: str = "") -> tuple[float, float]:
    """Run both stages under `params`, print a row for each and for both; seconds and CPU seconds."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    costs = []
    for stage in ("clean", "format_prompts"):
        costs.append(measure(f"stages.{stage}", folder))
        report(rows, stage + note, *costs[-1])
    seconds, cpu, peak = zip(*costs, strict=True)
    report(rows, "both" + note, sum(seconds), sum(cpu), max(peak))
    return sum(seconds), sum(cpu)


def times(theirs: tuple, sample: int, ours: tuple, rows: int) -> str:
    seconds, cpu = (a / sample / (b / rows) for a, b in zip(theirs, ours, strict=True))
    return f"{seconds:.1f} times as long and {cpu:.1f} times the CPU seconds"


def report(rows: int, what: str, seconds: float, cpu: float, peak: float = 0) -> None:
    memory = f"{peak:,.0f}" if peak else ""
    each = seconds / rows * 1e6
    print(f"| {rows:,} | {what} | {seconds:.1f} | {cpu:.1f} | {memory} | {each:.1f} |", flush=True)


def measure(module: str, folder: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak megabytes of a stage as a process of its own."""
    started = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{module} failed")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(folder: Path, sample: int) -> tuple[float, float]:
    """Seconds and CPU seconds of the per-row map over train's first rows; what it makes is equal."""
    raw = pq.ParquetFile(folder / "data/raw/train.parquet")
    table = next(raw.iter_batches(sample))
    made = next(pq.ParquetFile(folder / "data/prompts/train.parquet").iter_batches(sample))
    started, cpu = time.monotonic(), time.process_time()
    mapped = map_rows(pa.Table.from_batches([table]), load(ROOT / "params.yaml"))
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    ours = {row["id"]: row for row in made.to_pylist()}
    theirs = [row for row in mapped if row["id"] in ours]
    different = Counter(ours[row["id"]] == row for row in theirs)[False]
    if different or len(theirs) < 0.99 * sample:
        sys.exit(f"{different} of {len(theirs)} rows differ")
    return seconds, cpu


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(folder: Path, rows: int, seed: int = 0) -> None:
    """`folder/data/raw` with `rows` dialogues, in blocks, so that memory stays bounded."""
    (folder / "data/raw").mkdir(parents=True)
    random = np.random.default_rng(seed)
    for split, share in SHARES.items():
        with pq.ParquetWriter(folder / f"data/raw/{split}.parquet", block(random, 1).schema) as out:
            left = round(rows * share)
            while left:
                size = min(left, 20_000)
                out.write_table(block(random, size))
                left -= size


def block(random: np.random.Generator, rows: int) -> pa.Table:
    said = sentences(random, rows * TURNS, WORDS)
    told = sentences(random, rows * 2, 12)
    asked, answered = said[0::2], pc.binary_join_element_wise(said[1::2], " ^JS", "")
    turn = pa.StructArray.from_arrays(
        [asked, answered], names=["user utterance", "system response"]
    )
    offsets = pa.array(np.arange(0, rows * TURNS // 2 + 1, TURNS // 2), pa.int32())
    info = pc.binary_join_element_wise(
        '{"summaries": {"extractive_summaries": [], "abstractive_summaries": [["',
        told[0::2],
        '"], ["',
        told[1::2],
        '"]]}}',
        "",
    )
    ids = pa.array([f"d{n}" for n in random.integers(0, 1 << 62, rows)])
    return pa.table(
        {
            "original dialog id": ids,
            "original dialog info": info,
            "log": pa.ListArray.from_arrays(offsets, turn),
        }
    )


def sentences(random: np.random.Generator, count: int, words: int) -> pa.Array:
    """`count` strings of about `words` words , few of them frequent."""
    lengths = random.integers(words // 2, words * 3 // 2 + 1, count)
    total = int(lengths.sum())
    picked = (random.power(0.25, total) * len(VOCABULARY)).astype(np.int64)
    spiced = random.random(total)
    edge = 0.0
    for i, share in enumerate(SPICE.values()):
        picked[(spiced >= edge) & (spiced < edge + share)] = len(VOCABULARY) + i
        edge += share
    pool = pa.array([*VOCABULARY, *SPICE])
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, pool.take(pa.array(picked))), " ")


def vocabulary(size: int = 20_000) -> list[str]:
    random = np.random.default_rng(1)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    made: dict[str, None] = {}
    while len(made) < size:
        word = "".join(random.choice(letters, 1 + min(len(made) // 20 + 1, random.integers(2, 9))))
        made.setdefault(word)
    return list(made)


VOCABULARY = vocabulary()

if __name__ == "__main__":
    run(main)
