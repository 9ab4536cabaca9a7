"""A model's work on many prompts, in batches: longest first, kept as made, halved where too large."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import set_seed

from stages.common.cli import UserError, out_of_memory
from stages.common.files import writing

Made = list[str] | list[list[list[int]]]  # anything that JSON holds, one for each prompt


def in_batches(
    make: Callable[[list[list[int]]], Made],
    prompts: list[list[int]],
    size: int,
    seed: int,
    name: str,
    progress: bool = True,
    partial: Path | None = None,
) -> Made:
    """What `make` makes of each prompt's token ids, `size` at a time, with a progress bar.

    Finished batches are kept in the file `partial`, if given, and not made again by a later call.
    A batch that does not fit in memory is made in halves, and so are those after it.
    """
    done, fitting = finished(partial) if partial else {}, size
    with tqdm(total=len(prompts), unit="dialogue", desc=name, disable=not progress) as bar:
        for number, batch in enumerate(batches(prompts, size)):
            if any(i not in done for i in batch):
                set_seed((seed + number) % 2**32)  # so that a batch hangs on no other
                made, fitting = in_parts(make, [prompts[i] for i in batch], fitting, name)
                results = dict(zip(batch, made, strict=True))
                done |= results
                if partial:
                    keep(partial, results)
            bar.update(len(batch))
    return [done[i] for i in range(len(prompts))]


def finished(partial: Path) -> dict:
    """Results by number of their prompt. A last line that was cut off is taken away."""
    if not partial.exists():
        return {}
    *lines, torn = partial.read_bytes().split(b"\n")
    if torn:
        os.truncate(partial, partial.stat().st_size - len(torn))
    done = [json.loads(line) for line in lines]
    return {int(i): result for batch in done for i, result in batch.items()}


def keep(partial: Path, made: dict) -> None:
    """Add a batch as one line, on the disk before the next batch begins."""
    with writing(partial), open(partial, "a", encoding="utf-8") as out:
        out.write(json.dumps(made) + "\n")
        out.flush()
        os.fsync(out.fileno())


def in_parts(make: Callable, prompts: list[list[int]], size: int, name: str) -> tuple[Made, int]:
    """Results of one batch, made `size` at a time, and the size that fitted in memory."""
    made = []
    while len(made) < len(prompts):
        some = prompts[len(made) : len(made) + size]
        try:
            made += make(some)
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
    return made, size


def batches(prompts: list[list[int]], size: int) -> Iterator[list[int]]:
    """Indices of the prompts, longest first, so that a batch holds little padding and the first
    batch is the one that needs the most memory."""
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
