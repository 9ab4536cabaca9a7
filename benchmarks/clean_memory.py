"""What clean remembers of each row: memory, disk and CPU seconds as the rows grow.

    python -m benchmarks.clean_memory --keys 10000000 100000000 --indexed 200000

Fills the set of fingerprints and the index of near-duplicates as `clean` does, batch by batch, with
random ones, without reading or cleaning anything. Memory is what the system cannot take back
(RssAnon in Linux). A file that is mapped into memory stays there as far as there is space. Prints a
Markdown table.
"""

import argparse
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from stages.cleaning.near_duplicates import Index
from stages.cleaning.raw import BATCH
from stages.cleaning.sorted_runs import Runs
from stages.common.cli import run

WORDS = 112  # a dialogue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, nargs="*", default=[10_000_000, 100_000_000])
    parser.add_argument("--indexed", type=int, nargs="*", default=[200_000], help="dialogues")
    args = parser.parse_args()
    print("| what | how many | peak MB | CPU seconds a million |")
    print("|---|---:|---:|---:|")
    for fill, counts in ((fingerprints, args.keys), (dialogues, args.indexed)):
        for count in counts:
            with tempfile.TemporaryDirectory(dir=".") as folder:
                memory, seconds = measure(fill, count, Path(folder))
            print(f"| {fill.__name__} | {count:,} |", end=" ")
            print(f"{memory:,.0f} | {seconds / count * 1e6:.1f} |", flush=True)


def measure(fill: Callable, count: int, folder: Path) -> tuple[float, float]:
    """Peak megabytes and CPU seconds of a process of its own, its start among them."""
    before, peak = cpu_seconds(), 0
    process = get_context("spawn").Process(target=fill, args=(count, folder))
    process.start()
    while process.is_alive():
        with contextlib.suppress(OSError, IndexError):  # it has just ended
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            peak = max(peak, int(status.split("RssAnon:")[1].split()[0]))
        time.sleep(0.02)
    process.join()
    if process.exitcode:
        sys.exit(f"{fill.__name__} failed")
    return peak / 1024, cpu_seconds() - before


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fingerprints(count: int, folder: Path) -> None:
    random, runs = np.random.default_rng(0), Runs(folder)
    for start in range(0, count, BATCH):
        keys = random.integers(0, 2**64, min(BATCH, count - start), dtype=np.uint64)
        runs.hold(keys)
        runs.add(keys)


def dialogues(count: int, folder: Path) -> None:
    """As validation is indexed: each batch is compared with the index first."""
    random, index = np.random.default_rng(0), Index(0.8, folder)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        words = pl.Series(random.integers(0, 20_000, size * WORDS)).cast(pl.String)
        texts = words.reshape((size, WORDS)).arr.join(" ")
        turns = pl.DataFrame({"speaker": None, "text": texts}).to_struct("turn").reshape((size, 1))
        index.near(turns.arr.to_list())
        index.add(turns.arr.to_list())


if __name__ == "__main__":
    run(main)
