"""Make a table of JSON rows, in which a column may have values of several types."""

import json

import pyarrow as pa

from stages.common.cli import UserError

MISSING = ("", "nan", "NaN", "None", "null", "N/A")


def to_table(rows: list[dict], source: object) -> pa.Table:
    """An Arrow table of JSON rows. A nested object becomes its JSON text, as in DialogStudio's
    loader: its keys may differ from row to row, and no column type allows that."""

    def plain(value: object, depth: int = 0) -> object:
        if isinstance(value, list):
            return [plain(item, depth) for item in value]
        if isinstance(value, dict):
            if depth == 0:
                return without_lone_surrogates(json.dumps(value, ensure_ascii=False))
            # Parquet cannot hold an object without fields.
            return {key: plain(item) for key, item in value.items()} or None
        return without_lone_surrogates(value) if isinstance(value, str) else value

    def cell(value: object) -> object:  # a list of objects, such as turns, keeps its fields
        return plain(value, depth=1 if isinstance(value, list) else 0)

    names = dict.fromkeys(name for row in rows for name in row)
    arrays = {}
    for name in names:
        values = [cell(row.get(name)) for row in rows]
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            arrays[name] = pa.array(unify(values))
    if not arrays:
        raise UserError(f"{source} holds no rows")
    return pa.table(arrays)


def concatenated(tables: list[pa.Table]) -> pa.Table:
    """Concatenate the tables of all batches. Columns whose types differ are unified."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        names = dict.fromkeys(name for table in tables for name in table.column_names)
        return pa.table(
            {name: unified([column(table, name) for table in tables]) for name in names}
        )


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name in table.column_names:
        return table[name]
    return pa.chunked_array([pa.nulls(table.num_rows)])


def unified(parts: list[pa.ChunkedArray]) -> pa.ChunkedArray | pa.Array:
    try:
        tables = [pa.table({"": part}) for part in parts]
        return pa.concat_tables(tables, promote_options="permissive")[""]
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(unify([value for part in parts for value in part.to_pylist()]))


def without_lone_surrogates(text: str) -> str:
    """The text without lone surrogates, which remain where a text was cut inside an emoji."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()


def unify(values: list) -> list:
    """Give the values of a column one type.

    Scalars become text. If values nest differently, such as texts and lists, each nested value
    becomes its JSON text, and clean reads each row by its own layout. If they do, a value without
    text, such as a number among lists of turns, becomes null, which clean counts as malformed.
    """
    if len(shapes_of(values)) > 1:
        values = [value if holds_text(value) else None for value in values]
    shapes = shapes_of(values)
    if len(shapes) > 1 or any("mixed" in found for found in shapes):
        return [json_text(value) for value in values]
    return [as_text(value) for value in values]


def shapes_of(values: list) -> set[str]:
    """How the values nest. An empty list agrees with a list of any shape."""
    shapes = {shape(value) for value in values} - {None}
    return shapes - {"list"} if any(s.startswith("list of") for s in shapes) else shapes


def holds_text(value: object) -> bool:
    """Whether a value has text or is an empty list. Words for a missing value are not text."""
    if isinstance(value, list):
        return not value or any(isinstance(item, str | list | dict) for item in value)
    return isinstance(value, str) and value.strip() not in MISSING


def json_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def shape(value: object) -> str | None:
    """How a value nests, such as `list of object`; None if it is null."""
    if not isinstance(value, list):
        return None if value is None else "object" if isinstance(value, dict) else "text"
    inner = {shape(item) for item in value} - {None}
    if any(item.startswith("list of") for item in inner):
        inner.discard("list")  # an empty list agrees with a list of any shape
    if not inner:
        return "list"
    return f"list of {inner.pop()}" if len(inner) == 1 else "mixed"


def as_text(value: object) -> object:
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, dict):
        return {k: as_text(json.dumps(v) if isinstance(v, list) else v) for k, v in value.items()}
    return value if value is None or isinstance(value, str) else json.dumps(value)
