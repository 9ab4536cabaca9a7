"""Tables out of the files people keep datasets in: JSON, JSON lines, Parquet, CSV, shards."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq

from stages.common.atomic_io import need
from stages.common.cli import UserError
from stages.common.parquet import SPLITS
from stages.params import Dataset

SHARD_FOLDERS = {"train": "train", "validation": "val", "test": "test"}
BATCH = 10_000  # rows
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


def shard_files(folder: Path) -> dict[str, list[Path]]:
    """Shards of each split of a folder in DialogStudio's layout, `{train,val,test}/*.json`."""
    shards = {}
    for split, name in SHARD_FOLDERS.items():
        shards[split] = sorted(need(folder / name, f"no shards of {split}").glob("*.json"))
        if not shards[split]:
            raise UserError(f"{folder / name} holds no .json shard")
    return shards


def named_files(dataset: Dataset) -> dict[str, list[Path]]:
    """The file of each split that `files` names; none where a name is null."""
    paths = {}
    for split in SPLITS:
        name = getattr(dataset.files, split)
        hint = f"see fetch.dataset.files.{split}"
        paths[split] = [] if name is None else [need(Path(dataset.path) / name, hint)]
    return paths


def read_shards(paths: list[Path]) -> pa.RecordBatchReader:
    """Rows of DialogStudio's shards, each a dict from dialogue name to dialogue.

    The name becomes the column `new dialog id`, as it does in DialogStudio's own loader.
    """
    rows = []
    for path in paths:
        shard = read_json(path)
        if not isinstance(shard, dict) or not all(isinstance(r, dict) for r in shard.values()):
            raise UserError(f"{path} is not a shard: expected a dict of dialogues")
        rows += [{"new dialog id": name, **row} for name, row in shard.items()]
    return to_table(rows, paths[0].parent).to_reader()


def read_tables(paths: list[Path]) -> pa.RecordBatchReader:
    """Rows of files of one format and one set of columns; Parquet is not read whole."""
    try:
        if paths[0].suffix == ".parquet":
            scanner = pyarrow.dataset.dataset([str(path) for path in paths]).scanner(
                batch_size=BATCH, batch_readahead=2, fragment_readahead=1
            )
            return scanner.to_reader()
        tables = [read_table(path) for path in paths]
        return pa.concat_tables(tables, promote_options="permissive").to_reader()
    except UNREADABLE as error:
        names = ", ".join(map(str, paths[:2])) + (" …" if paths[2:] else "")
        why = f"cannot be read as {paths[0].suffix[1:]}"
        raise UserError(f"{names} {why}: {one_line(error)}") from None


def write_parquet(rows: pa.RecordBatchReader, path: Path, source: str) -> int:
    """Write the rows as they come; return how many they were."""
    count = 0
    with pq.ParquetWriter(path, rows.schema) as writer:
        try:
            for batch in rows:
                writer.write_batch(batch)
                count += batch.num_rows
        except UNREADABLE as error:
            raise UserError(f"{source} cannot be read: {one_line(error)}") from None
    return count


def read_table(path: Path) -> pa.Table:
    try:
        match path.suffix:
            case ".parquet":
                return pq.read_table(path)
            case ".csv":
                # Texts hold line breaks, and pyarrow takes quoted ones only when told to.
                parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
                table = pyarrow.csv.read_csv(path, parse_options=parsing)
                for field in table.schema:  # pyarrow takes a text in another encoding for bytes
                    if pa.types.is_binary(field.type):
                        raise UserError(f"{path} column {field.name!r} is not UTF-8")
                return table
    except UNREADABLE as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {one_line(error)}") from None
    match path.suffix:
        case ".jsonl":
            return to_table(read_lines(path), path)
        case ".json":
            rows = read_json(path)
            rows = list(rows.values()) if isinstance(rows, dict) else rows
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise UserError(f"{path} must hold a list, or a dict, of objects")
            return to_table(rows, path)
    raise UserError(f"{path}: use a .json, .jsonl, .parquet or .csv file")


def read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # what is not UTF-8 or JSON is a ValueError
        raise UserError(f"{path} is not valid JSON: {one_line(error)}") from None


def read_lines(path: Path) -> list[dict]:
    rows = []
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.isspace():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path} line {number}: {one_line(error)}") from None
            if not isinstance(row, dict):
                raise UserError(f"{path} line {number} is not a JSON object")
            rows.append(row)
    return rows


def to_table(rows: list[dict], source: object) -> pa.Table:
    """An Arrow table of JSON rows. A nested object becomes its JSON text, as DialogStudio's loader
    has it: its keys may differ from row to row, which no column type could hold."""

    def plain(value: object, depth: int = 0) -> object:
        if isinstance(value, list):
            return [plain(item, depth) for item in value]
        if isinstance(value, dict):
            if depth == 0:
                return whole(json.dumps(value, ensure_ascii=False))
            # Parquet cannot hold an object without fields.
            return {key: plain(item) for key, item in value.items()} or None
        return whole(value) if isinstance(value, str) else value

    def column(value: object) -> object:  # a list of objects, the turns, keeps its fields
        return plain(value, depth=1 if isinstance(value, list) else 0)

    names = dict.fromkeys(name for row in rows for name in row)
    arrays = {}
    for name in names:
        values = [column(row.get(name)) for row in rows]
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            arrays[name] = pa.array(settle(values))
    if not arrays:
        raise UserError(f"{source} holds no rows")
    return pa.table(arrays)


def whole(text: str) -> str:
    """The text without lone surrogates, the halves of emoji that somebody cut a text inside of."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()


def settle(values: list) -> list:
    """One type for a column whose rows disagree: scalars become text, and a value nested otherwise
    than most is malformed: null, which clean counts, so that one bad row does not spoil a column.
    """
    shapes = [shape(value) for value in values]
    clear = Counter(s for s in shapes if s not in (None, "list") and "mixed" not in s)
    usual = max(clear, key=clear.get, default="none")
    fitting = {usual, "list"} if usual.startswith("list of") else {usual}
    return [as_text(v) if s in fitting else None for v, s in zip(values, shapes, strict=True)]


def shape(value: object) -> str | None:
    """How a value nests, such as `list of object`; None where it is null."""
    if not isinstance(value, list):
        return None if value is None else "object" if isinstance(value, dict) else "text"
    inner = {shape(item) for item in value} - {None}
    if any(item.startswith("list of") for item in inner):
        inner.discard("list")  # an empty list may stand beside any other
    if not inner:
        return "list"
    return f"list of {inner.pop()}" if len(inner) == 1 else "mixed"


def as_text(value: object) -> object:
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, dict):
        return {k: as_text(json.dumps(v) if isinstance(v, list) else v) for k, v in value.items()}
    return value if value is None or isinstance(value, str) else json.dumps(value)


def one_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
