"""One file of an archive: its rows are read, cleaned and summarised, and its summaries written."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from stages.common.cli import UserError
from stages.params import Params
from tools.conversations import render
from tools.rows import Reject, kind_of, read_rows
from tools.summarize.engines import Write
from tools.summarize.folder import Folder, rejected_of, summaries_of
from tools.summarize.shards import Shard, local_copy

SCHEMA = pa.schema([("id", pa.string()), ("summary", pa.string())])
BATCHES = 16  # of the model, read at a time and sorted by length


class Outcome(NamedTuple):
    shard: Shard
    done: int = 0
    rejected: int = 0
    why: str = ""  # it cannot be read


class Unreadable(UserError):
    """A shard is no table, or a broken one. The others can be summarised."""


def summarize_shard(
    shard: Shard,
    folder: Folder,
    params: Params,
    write: Write,
    advance: Callable[[int], object] = lambda rows: None,
) -> Outcome:
    """Write the shard's bad rows and then its summaries, which say that it is finished."""
    made, bad = io.BytesIO(), []
    done = 0

    def reject(place: str, why: str, row: str) -> None:
        bad.append({"place": place, "why": why, "row": row})

    try:
        with pq.ParquetWriter(made, SCHEMA) as writer:
            for ids, texts in conversations(shard, params, reject):
                summaries = [found["tuned"] for found in write(texts)]
                writer.write_table(pa.table([ids, summaries], SCHEMA))
                done += len(ids)
                advance(len(ids))
    except Unreadable as error:
        return Outcome(shard, why=str(error))
    if bad:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in bad)
        folder.write(rejected_of(shard), lines.encode())
    folder.write(summaries_of(shard), made.getvalue())
    return Outcome(shard, done, len(bad))


def conversations(
    shard: Shard, params: Params, reject: Reject
) -> Iterator[tuple[list[str], list[str]]]:
    """Ids and rendered conversations, many at a time."""
    server, size = params.generate.server, BATCHES * params.generate.batch_size
    size = max(size, BATCHES * server.concurrency) if server else size
    with local_copy(shard) as path, unreadable(shard, path):
        kind = kind_of(path)
        if kind == "text":
            raise UserError("it is no table")
        for rows in read_rows(path, kind, params.clean.columns, size, reject):
            texts, faults = render(rows, params.clean)
            for i in sorted(faults):
                reject(rows.places[i], faults[i], rows.raw(i))
            yield [str(rows.ids[i]) for i in sorted(texts)], [texts[i] for i in sorted(texts)]


@contextmanager
def unreadable(shard: Shard, path: Path) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        # `path` may be a copy of it.
        why = str(error).replace(str(path), shard.name)
        raise Unreadable(why if shard.name in why else f"{shard.name}: {why}") from None
