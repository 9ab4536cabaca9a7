"""Find the rows in one JSON value: a list, a dict of rows, or a layout of pandas' `to_json`.

https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html, `orient`
"""

import re
from pathlib import Path

from stages.common.cli import UserError

MIN_RATIO = 3  # entries per key from which the keys are columns and the entries rows


def rows_of(value: object, path: Path) -> list[dict]:
    """The rows. Raises `UserError` if the value has another layout."""
    if isinstance(value, dict):
        tables = [name for name, entry in value.items() if entry and is_list_of(entry, dict)]
        if len(tables) > 1:
            names = ", ".join(map(repr, tables[:5]))
            raise UserError(
                f"{path} holds several tables, {names}: write each to a file of its own"
            )
        value = rows_of_dict(value)
    if is_list_of(value, dict):
        return value
    raise UserError(
        f"{path} must hold a list, or a dict, of objects: if it is not of the data, put it elsewhere"
    )


def rows_of_dict(value: dict) -> object:
    entries = list(value.values())
    if set(value) == {"columns", "index", "data"} and is_list_of(entries, list):  # orient="split"
        return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
    tables = [entry for entry in entries if is_list_of(entry, dict) and entry]
    if len(tables) == 1:  # rows and their description, as in orient="table"
        return tables[0]
    if is_list_of(entries, list) and len({len(entry) for entry in entries}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*entries, strict=True)]
    if is_list_of(entries, dict) and are_columns(entries):  # orient="columns"
        labels = dict.fromkeys(label for entry in entries for label in entry)
        return [{name: value[name].get(label) for name in value} for label in labels]
    return entries


def are_columns(entries: list[dict]) -> bool:
    """Whether these objects are columns keyed by row label, and not rows keyed by field name."""
    labels = entries[0] if entries else {}
    if not labels or any(entry.keys() != labels.keys() for entry in entries):
        return False
    if all(re.fullmatch(r"-?\d+", label) for label in labels):
        return True
    types = [{type(v) for v in entry.values() if v is not None} for entry in entries]
    return len(labels) > MIN_RATIO * len(entries) and all(len(found) <= 1 for found in types)


def is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
