"""A model's work on many prompts in resumable batches, longest first, smaller where memory is short."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import set_seed

from stages.common.atomic_io import disk_errors
from stages.common.cli import Interrupted, UserError, out_of_memory

Results = list[str] | list[list[list[int]]]  # anything that JSON holds, one for each prompt


def run_batches(
    work: Callable[[list[list[int]]], Results],
    prompts: list[list[int]],
    size: int,
    seed: int,
    name: str,
    progress: bool = True,
    partial: Path | None = None,
) -> Results:
    """The results of `work` on each prompt's token ids, `size` at a time, with a progress line.

    Finished batches are kept in the file `partial`, if given: a later call resumes after them. A
    batch that does not fit in memory is split in half, and so are those after it.
    """
    done, fitting = finished(partial) if partial else {}, size
    often = 0.1 if sys.stderr.isatty() else 30
    bar = tqdm(
        total=len(prompts), unit="dialogue", desc=name, disable=not progress, mininterval=often
    )
    try:
        for number, batch in enumerate(batches(prompts, size)):
            if any(i not in done for i in batch):
                set_seed((seed + number) % 2**32)  # so that no batch depends on another
                results, fitting = run_batch(work, [prompts[i] for i in batch], fitting, name)
                results = dict(zip(batch, results, strict=True))
                done |= results
                if partial:
                    append(partial, results)
            bar.update(len(batch))
    except KeyboardInterrupt:
        if not partial:
            raise
        kept = f"{len(done)} of {len(prompts)} are kept, run again to resume"
        raise Interrupted(f"interrupted: {kept}") from None
    finally:
        bar.close()
    return [done[i] for i in range(len(prompts))]


def finished(partial: Path) -> dict:
    """Results by number of their prompt. A last line that was cut off is removed."""
    if not partial.exists():
        return {}
    *lines, torn = partial.read_bytes().split(b"\n")
    if torn:
        os.truncate(partial, partial.stat().st_size - len(torn))
    done = [json.loads(line) for line in lines]
    return {int(i): result for batch in done for i, result in batch.items()}


def append(partial: Path, results: dict) -> None:
    """Add a batch as one line, on the disk before the next batch begins."""
    with disk_errors(partial), open(partial, "a", encoding="utf-8") as out:
        out.write(json.dumps(results) + "\n")
        out.flush()
        os.fsync(out.fileno())


def run_batch(
    work: Callable, prompts: list[list[int]], size: int, name: str
) -> tuple[Results, int]:
    """Results of one batch, `size` at a time, and the size that fitted in memory."""
    results = []
    while len(results) < len(prompts):
        some = prompts[len(results) : len(results) + size]
        try:
            results += work(some)
            continue
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        if len(some) == 1:
            message = f"a prompt of {len(some[0])} tokens does not fit in memory:"
            raise UserError(f"{message} lower format_prompts.max_prompt_tokens")
        size = len(some) // 2
        print(f"{name}: {len(some)} prompts do not fit in memory: {size} at a time", flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return results, size


def batches(prompts: list[list[int]], size: int) -> Iterator[list[int]]:
    """Indices of the prompts, longest first, so that a batch holds little padding and the first
    batch is the one that needs the most memory."""
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
