"""Prompts and references as token ids in a memory-mapped file, rows of them ready for training."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
from datasets import Dataset

from stages.common.atomic_io import atomic_write
from stages.common.cli import UserError
from stages.common.limits import fitting_limit, too_many
from stages.common.parquet import open_parquet
from stages.common.prefetch import prefetch
from stages.model import processes
from stages.model.tokenization import tokenize_prompts, tokenize_summaries
from stages.params import Params
from stages.training.shared_prefix import build_row
from stages.training.subset import chosen_rows

BATCH = 200  # rows read at a time
BATCH_CHARACTERS = 500_000  # tokenised at a time; a token takes a hundred bytes while it is
IDS = pa.list_(pa.int32())
SCHEMA = pa.schema(
    {"prompt": IDS, "summaries": pa.list_(IDS), "length": pa.int64(), "references": pa.int64()}
)


def read_dataset(
    path: Path, tokenizer, params: Params, frame: tuple[str, str], folder: Path
) -> Dataset:
    """A split of `data/prompts`: a row a dialogue, see `stages.training.shared_prefix`.

    `length` is the row's tokens, `references` how many it holds. The ids are in a file of `folder`,
    four bytes a token; rows are built as they are asked for. References above
    `finetune.max_summary_tokens` are left out, and that and how many prompts are cut is printed; a
    `UserError` where no reference is left.
    """
    longest, limit = params.finetune.max_summary_tokens, params.format_prompts.max_prompt_tokens
    file = folder / f"{path.stem}.{processes.rank()}.arrow"  # each of several processes has its own
    sizes, prompt_sizes, rows = [], [], 0
    ids_of = partial(to_ids, tokenizer=tokenizer, params=params, frame=frame)
    with atomic_write(file) as aside, writer_of(aside) as writer, parallel_tokenizers():
        for prompts, summaries in prefetch(ids_of, batches(path, params)):
            sizes += [len(ids) for texts in summaries for ids in texts]
            prompt_sizes += [size for _, size in prompts]
            fitting = [[ids for ids in texts if len(ids) <= longest] for texts in summaries]
            pairs = zip(prompts, fitting, strict=True)
            if part := [to_row(prompt, texts) for (prompt, _), texts in pairs if texts]:
                writer.write_batch(pa.RecordBatch.from_pylist(part, SCHEMA))
                rows += len(part)
    of = f"of {path.stem}"
    tell(f"references {of} are left out", sizes, "finetune.max_summary_tokens", longest)
    tell(f"prompts {of} lose their middle", prompt_sizes, "format_prompts.max_prompt_tokens", limit)
    if not rows:
        raise UserError(f"no row of {path.stem} has a reference within finetune.max_summary_tokens")
    return Dataset.from_file(str(file)).with_transform(build_rows)


def batches(path: Path, params: Params) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Conversations and their references, some at a time, of the dialogues that are used."""
    used, start, characters = chosen_rows(path, params.finetune), 0, 0
    conversations, references = [], []
    columns = ["conversation", "references"]
    for table in open_parquet(path, "run format_prompts first").iter_batches(
        BATCH, columns=columns
    ):
        chosen = table.filter(pa.array(used[start : start + len(table)]))
        start += len(table)
        for conversation, texts in zip(*(column.to_pylist() for column in chosen), strict=True):
            conversations.append(conversation)
            references.append(texts)
            characters += len(conversation)
            if characters > BATCH_CHARACTERS:
                yield conversations, references
                conversations, references, characters = [], [], 0
    if conversations:
        yield conversations, references


def to_ids(
    batch: tuple[list[str], list[list[str]]], tokenizer, params: Params, frame: tuple[str, str]
) -> tuple[list[tuple[list[int], int]], list[list[list[int]]]]:
    """A batch's prompts, each with its number of tokens before it was cut, and its summaries."""
    conversations, references = batch
    prompts = tokenize_prompts(tokenizer, conversations, params.format_prompts, frame)
    texts = chain.from_iterable(references)
    summaries = iter(tokenize_summaries(tokenizer, list(texts), params.format_prompts))
    return prompts, [list(islice(summaries, len(texts))) for texts in references]


def to_row(prompt: list[int], summaries: list[list[int]]) -> dict:
    """What a dataset stores of a dialogue."""
    return {
        "prompt": prompt,
        "summaries": summaries,
        "length": len(prompt) - 1 + sum(map(len, summaries)),
        "references": len(summaries),
    }


def build_rows(columns: dict[str, list]) -> dict[str, list]:
    """Columns of a dataset, with the ids as rows of `stages.training.shared_prefix`."""
    if "prompt" not in columns:  # other columns alone are asked for
        return columns
    pairs = zip(columns.pop("prompt"), columns.pop("summaries"), strict=True)
    rows = [build_row(*pair) for pair in pairs]
    return {key: [row[key] for row in rows] for key in rows[0]} | columns


@contextmanager
def writer_of(file: Path) -> Iterator[pa.RecordBatchStreamWriter]:
    """Writes what `Dataset.from_file` maps into memory."""
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        yield writer


@contextmanager
def parallel_tokenizers() -> Iterator[None]:
    """Tokenise on all cores. Otherwise tokenizers are kept from it, for data workers are forks."""
    before = os.environ.get("TOKENIZERS_PARALLELISM", "false")
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = before


def tell(what: str, sizes: list[int], key: str, limit: int) -> None:
    """One line on texts above a limit in tokens, with one that fits 95 % where too many are."""
    above = sum(size > limit for size in sizes)
    if not above:
        return
    line = f"finetune: {above} of {len(sizes)} {what}, above {key} {limit}"
    if too_many(above, len(sizes)):
        line += f": {fitting_limit(sizes)} fits 95 %"
    print(line)
