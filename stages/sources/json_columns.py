"""Columns of a table out of JSON rows, which may disagree on the type of a value."""

import json

import pyarrow as pa

from stages.common.cli import UserError

MISSING = ("", "nan", "NaN", "None", "null", "N/A")


def to_table(rows: list[dict], source: object) -> pa.Table:
    """An Arrow table of JSON rows. A nested object becomes its JSON text, as DialogStudio's loader
    has it: its keys may differ from row to row, which no column type could hold."""

    def plain(value: object, depth: int = 0) -> object:
        if isinstance(value, list):
            return [plain(item, depth) for item in value]
        if isinstance(value, dict):
            if depth == 0:
                return without_halves(json.dumps(value, ensure_ascii=False))
            # Parquet cannot hold an object without fields.
            return {key: plain(item) for key, item in value.items()} or None
        return without_halves(value) if isinstance(value, str) else value

    def cell(value: object) -> object:  # a list of objects, the turns, keeps its fields
        return plain(value, depth=1 if isinstance(value, list) else 0)

    names = dict.fromkeys(name for row in rows for name in row)
    arrays = {}
    for name in names:
        values = [cell(row.get(name)) for row in rows]
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            arrays[name] = pa.array(settle(values))
    if not arrays:
        raise UserError(f"{source} holds no rows")
    return pa.table(arrays)


def concatenated(tables: list[pa.Table]) -> pa.Table:
    """One table of those of all batches of rows; columns whose types differ are settled anew."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        names = dict.fromkeys(name for table in tables for name in table.column_names)
        return pa.table({name: joined([column(table, name) for table in tables]) for name in names})


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name in table.column_names:
        return table[name]
    return pa.chunked_array([pa.nulls(table.num_rows)])


def joined(parts: list[pa.ChunkedArray]) -> pa.ChunkedArray | pa.Array:
    try:
        tables = [pa.table({"": part}) for part in parts]
        return pa.concat_tables(tables, promote_options="permissive")[""]
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(settle([value for part in parts for value in part.to_pylist()]))


def without_halves(text: str) -> str:
    """The text without lone surrogates, the halves of emoji that somebody cut a text inside of."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()


def settle(values: list) -> list:
    """One type for a column whose rows disagree: scalars become text. Where rows nest differently,
    as texts beside lists, each nested value becomes its JSON text: clean reads each by its kind.
    What holds no text, such as a number beside lists of turns, is malformed: null, which clean
    counts."""
    if len(shapes_of(values)) > 1:
        values = [value if holds_text(value) else None for value in values]
    shapes = shapes_of(values)
    if len(shapes) > 1 or any("mixed" in found for found in shapes):
        return [json_text(value) for value in values]
    return [as_text(value) for value in values]


def shapes_of(values: list) -> set[str]:
    """How the values nest; an empty list may stand beside any other."""
    shapes = {shape(value) for value in values} - {None}
    return shapes - {"list"} if any(s.startswith("list of") for s in shapes) else shapes


def holds_text(value: object) -> bool:
    """Whether there is text in a value, or nothing in a list; words for nothing are no text."""
    if isinstance(value, list):
        return not value or any(isinstance(item, str | list | dict) for item in value)
    return isinstance(value, str) and value.strip() not in MISSING


def json_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


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
