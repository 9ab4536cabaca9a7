"""Tables out of the files people keep datasets in: JSON, JSON lines, Parquet, CSV, shards."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from stages.common.cli import UserError
from stages.common.files import SPLITS, need
from stages.common.params import Dataset

SHARD_FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def read_shards(dataset: Dataset) -> dict[str, pa.Table | None]:
    """Tables of the splits of a folder in DialogStudio's layout, `{train,val,test}/*.json`.

    A shard is a dict from dialogue name to dialogue. The name becomes the column `new dialog id`,
    as it does in DialogStudio's own loader.
    """
    tables = {}
    for split, folder in SHARD_FOLDERS.items():
        paths = sorted(need(Path(dataset.path) / folder, f"no shards of {split}").glob("*.json"))
        if not paths:
            raise UserError(f"{Path(dataset.path) / folder} holds no .json shard")
        rows = []
        for path in paths:
            shard = read_json(path)
            if not isinstance(shard, dict) or not all(isinstance(r, dict) for r in shard.values()):
                raise UserError(f"{path} is not a shard: expected a dict of dialogues")
            rows += [{"new dialog id": name, **row} for name, row in shard.items()]
        tables[split] = to_table(rows, folder)
    return tables


def read_files(dataset: Dataset) -> dict[str, pa.Table | None]:
    """Tables of the splits of `files`, by the suffix of each name; None where a name is null."""
    tables = {}
    for split in SPLITS:
        name = getattr(dataset.files, split)
        tables[split] = None
        if name is not None:
            path = need(Path(dataset.path) / name, f"see fetch.dataset.files.{split}")
            tables[split] = read_table(path)
    return tables


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
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
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
