"""Run a model over many prompts in batches that can be resumed, and split where memory is short."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm
from transformers import set_seed

from stages.common.atomic_io import disk_errors, remove
from stages.common.cli import Interrupted, UserError, out_of_memory
from stages.model import processes
from stages.model.allocator import release_memory

Results = list  # anything that JSON can hold, one for each prompt


def run_batches(
    function: Callable[[list[list[int]]], Results],
    prompts: list[list[int]],
    batch_size: int,
    seed: int,
    name: str,
    progress: bool = True,
    partial: Path | None = None,
    together: bool = False,
) -> Results:
    """The results of `function` for each prompt of token ids, in the order of the prompts.

    The longest prompts come first. Finished batches are stored in the file `partial`, if given, and
    a later call resumes after them. A batch that does not fit in memory is halved, and so are those
    after it; a `UserError` says when a single prompt does not fit. Several processes take turns at
    the batches, each with a file of its own beside `partial`, and all of them return all results.
    If `together`, all compute each batch: the model is sharded. A batch must fit in memory then.
    """
    first, fitting = processes.is_first(), batch_size
    done = processes.from_first(read_finished(partial) if partial and first else {})
    # A terminal redraws the line; a log file gets a new one each time.
    interval = 0.1 if sys.stderr.isatty() else 30
    bar = tqdm(
        total=len(prompts),
        unit="dialogue",
        desc=name,
        disable=not (progress and first),
        mininterval=interval,
    )
    turn = 0
    try:
        for number, batch in enumerate(batches(prompts, batch_size)):
            mine = False
            if any(i not in done for i in batch):
                mine = together or turn % processes.size() == processes.rank()
                turn += 1
            if mine:
                # Each batch has its own seed, so a resumed run samples the same tokens.
                set_seed((seed + number) % 2**32)
                rows = [prompts[i] for i in batch]
                results, fitting = run_batch(function, rows, fitting, name, not together)
                results = dict(zip(batch, results, strict=True))
                done |= results
                if partial and (first or not together):
                    append(own_file(partial), results)
            bar.update(len(batch))
    except KeyboardInterrupt:
        if not partial:
            raise
        kept = f"{len(done)} of {len(prompts)} are kept, run again to resume"
        raise Interrupted(f"interrupted: {kept}") from None
    finally:
        bar.close()
    for others in processes.gather(done):
        done |= others
    return [done[i] for i in range(len(prompts))]


def own_file(partial: Path) -> Path:
    """Where this process stores its batches."""
    rank = processes.rank()
    return partial.with_name(f"{partial.name}.{rank}") if rank else partial


def files(partial: Path) -> list[Path]:
    """The files of all processes that have stored batches."""
    return sorted(partial.parent.glob(f"{partial.name}*"))


def remove_files(partial: Path) -> None:
    """Remove the files of all processes: the results are where they belong."""
    for file in files(partial):
        remove(file)


def read_finished(partial: Path) -> dict:
    """Results by the index of their prompt. An incomplete last line is removed from its file."""
    done = {}
    for file in files(partial):
        *lines, incomplete = file.read_bytes().split(b"\n")
        if incomplete:
            os.truncate(file, file.stat().st_size - len(incomplete))
        for batch in map(json.loads, lines):
            done |= {int(i): result for i, result in batch.items()}
    return done


def append(partial: Path, results: dict) -> None:
    """Add a batch as one line, and wait until the disk has it."""
    with disk_errors(partial), open(partial, "a", encoding="utf-8") as out:
        out.write(json.dumps(results) + "\n")
        out.flush()
        os.fsync(out.fileno())


def run_batch(
    function: Callable, prompts: list[list[int]], size: int, name: str, halve: bool = True
) -> tuple[Results, int]:
    """The results of one batch, `size` prompts at a time, and the size that fitted in memory."""
    results = []
    while len(results) < len(prompts):
        chunk = prompts[len(results) : len(results) + size]
        try:
            results += function(chunk)
            continue
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        # Here, past the except block, the tensors that the traceback held are free.
        if len(chunk) == 1:
            message = f"a prompt of {len(chunk[0])} tokens does not fit in memory:"
            raise UserError(f"{message} lower format_prompts.max_prompt_tokens")
        if not halve:
            message = f"{len(chunk)} prompts do not fit in memory: lower generate.batch_size or"
            raise UserError(f"{name}: {message} format_prompts.max_prompt_tokens")
        size = len(chunk) // 2
        print(f"{name}: {len(chunk)} prompts do not fit in memory: {size} at a time", flush=True)
        release_memory()
    return results, size


def batches(prompts: list[list[int]], size: int) -> Iterator[list[int]]:
    """Indices of the prompts, longest first.

    Prompts of like length need little padding, and the first batch needs the most memory.
    """
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
