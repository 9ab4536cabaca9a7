"""Read tables from the file formats that datasets come in, chosen by file extension."""

from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from stages.common.atomic_io import need
from stages.common.cli import UserError
from stages.common.parquet import SPLITS
from stages.params import Dataset
from stages.sources import csv_files, excel, json_files
from stages.sources.json_columns import concatenated, to_table
from stages.sources.text import encoding_of
from stages.sources.unpacking import blocks, format_of, is_compressed

SHARD_FOLDERS = {"train": "train", "validation": "val", "test": "test"}
FORMATS = ("csv", "tsv", "json", "jsonl", "ndjson", "parquet", *excel.FORMATS)
BATCH = 10_000  # rows
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


def shard_files(folder: Path) -> dict[str, list[Path]]:
    """Shards of each split in a folder of DialogStudio's layout, `{train,val,test}/*.json`."""
    shards = {}
    for split, name in SHARD_FOLDERS.items():
        shards[split] = sorted(need(folder / name, f"no shards of {split}").glob("*.json"))
        if not shards[split]:
            raise UserError(f"{folder / name} holds no .json shard")
    return shards


def named_files(dataset: Dataset) -> dict[str, list[Path]]:
    """The files of each split that `files` names, directly or by a pattern; none if it is null."""
    return {split: files_of(dataset, split) for split in SPLITS}


def files_of(dataset: Dataset, split: str) -> list[Path]:
    name, folder = getattr(dataset.files, split), Path(dataset.path)
    key = f"fetch.dataset.files.{split}"
    if name is None:
        return []
    if (folder / name).exists() or not any(char in name for char in "*?["):
        return [need(folder / name, f"see {key}")]
    found = sorted(path for path in folder.glob(name) if path.is_file())
    if not found:
        raise UserError(f"{folder} holds no file {name}: see {key}")
    return found


def read_shards(paths: list[Path]) -> pa.RecordBatchReader:
    """Rows of DialogStudio's shards. Each shard is a dict from dialogue name to dialogue.

    The name becomes the column `new dialog id`, as in DialogStudio's own loader.
    """
    rows = []
    for path in paths:
        shard = json_files.read_json(path)
        if not isinstance(shard, dict) or not all(isinstance(r, dict) for r in shard.values()):
            raise UserError(f"{path} is not a shard: expected a dict of dialogues")
        rows += [{"new dialog id": name, **row} for name, row in shard.items()]
    return to_table(rows, paths[0].parent).to_reader()


def read_tables(paths: list[Path]) -> pa.RecordBatchReader:
    """Rows of all files as one table. Parquet and CSV are streamed."""
    if all(format_of(path) == "parquet" and not is_compressed(path) for path in paths):
        try:
            files = pyarrow.dataset.dataset([str(path) for path in paths])
            reading = {"batch_size": BATCH, "batch_readahead": 2, "fragment_readahead": 1}
            return files.scanner(**reading).to_reader()
        except UNREADABLE as error:
            raise UserError(f"{shown(paths)} cannot be read as parquet: {why(error)}") from None
    readers = [read_file(path) for path in paths]
    if all(reader.schema == readers[0].schema for reader in readers):
        return pa.RecordBatchReader.from_batches(readers[0].schema, chain(*readers))
    return concatenated([reader.read_all() for reader in readers]).to_reader()


def read_table(path: Path) -> pa.Table:
    return read_file(path).read_all()


def read_file(path: Path) -> pa.RecordBatchReader:
    """Rows of a file of any format, compressed or not. Raises `UserError` if it is unreadable."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: name its files, for example {path.name}/*.csv")
    kind = format_of(path)
    if kind not in FORMATS:
        raise UserError(f"{path}: use a .csv, .tsv, .json, .jsonl, .ndjson, .parquet or .xlsx file")
    if kind == "parquet":
        return read_parquet(path)
    if kind in excel.FORMATS:
        return excel.read_sheet(path).to_reader()
    encoding = encoding_of(path)
    if encoding.note:
        print(f"fetch: {path}: {encoding.note}")
    if kind in ("csv", "tsv"):
        return csv_files.read_csv(path, encoding)
    return json_files.read_json_table(path, encoding, lines=kind != "json")


def read_parquet(path: Path) -> pa.RecordBatchReader:
    source = pa.BufferReader(b"".join(blocks(path))) if is_compressed(path) else path
    try:
        return pq.read_table(source).to_reader()
    except UNREADABLE as error:
        raise UserError(f"{path} cannot be read as parquet: {why(error)}") from None


def write_parquet(rows: pa.RecordBatchReader, path: Path, source: str) -> int:
    """Write the rows as they are read; return their number."""
    from tqdm import tqdm

    count = 0
    bar = tqdm(desc=f"fetch {path.stem}", unit=" rows", disable=None, leave=False)
    with bar, pq.ParquetWriter(path, rows.schema) as writer:
        try:
            for batch in rows:
                writer.write_batch(batch)
                count += batch.num_rows
                bar.update(batch.num_rows)
        except UNREADABLE as error:
            raise UserError(f"{source} cannot be read: {why(error)}") from None
    return count


def shown(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:2])) + (" …" if paths[2:] else "")


def why(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
