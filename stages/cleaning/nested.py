"""Turns of one conversation as Python has it: a list, an object, or either as text in a cell."""

from itertools import zip_longest

from stages.cleaning.chat import parse_chat
from stages.cleaning.paths import decode, field, outline
from stages.common.cli import UserError
from stages.params import Columns

Turn = tuple[str | None, str | None]  # speaker and text


def read_turns(value: object, columns: Columns) -> list[Turn]:
    """The turns of one conversation; `UserError` says what in `columns` does not fit it."""
    value = decode(value)
    if isinstance(value, dict):
        value = unfold(value, columns)
    if not isinstance(value, list | tuple):
        raise UserError(
            f"{setting(columns)} holds {outline(value)}, which is no text and no list of turns"
            " as JSON or Python writes it: name another column, or mend such rows"
        )
    if columns.text or columns.customer:  # an object may be text here, too
        value = [inner if isinstance(inner := decode(item), dict) else item for item in value]
    items = [item for item in value if item is not None]
    if columns.text and items and all(isinstance(item, str) for item in items):
        said = parse_chat("\n".join(items))  # others of the column have objects
        return [(turn["speaker"], turn["text"]) for turn in said]
    turns = [turn for item in items for turn in read_item(item, columns)]
    if not all(isinstance(item, str) for item in items):
        check_fields(items, columns)
    return turns


def read_item(item: object, columns: Columns) -> list[Turn]:
    """One turn, or, of a pair, the customer's and the agent's."""
    if isinstance(item, str):
        return [(None, item)]
    if not isinstance(item, dict | list | tuple):
        raise UserError(
            f"the turns of {columns.conversation!r} are neither texts nor objects but"
            f" {outline(item)}"
        )
    if columns.customer:
        sides = ("customer", columns.customer), ("agent", columns.agent)
        return [(side, text_of(field(item, name))) for side, name in sides]
    if columns.text:
        return [(speaker_of(item, columns), text_of(field(item, columns.text)))]
    if isinstance(item, dict):
        raise UserError(
            "turns are objects: set clean.columns.text, or customer and agent, to fields of"
            f" {outline(item)}"
        )
    raise UserError(
        f"the turns of {columns.conversation!r} are neither texts nor objects but {outline(item)}:"
        " of a list, set clean.columns.speaker and clean.columns.text to places such as [0], [1]"
    )


def unfold(value: dict, columns: Columns) -> list | str:
    """The turns in an object: under the names of their fields, or in its one list of objects."""
    names = (
        [columns.customer, columns.agent] if columns.customer else [columns.speaker, columns.text]
    )
    sides = {name: decode(field(value, name)) for name in names if name}
    lists = [side for side in sides.values() if isinstance(side, list)]
    if lists:  # side by side: as long as each other, or the first side has the last word
        if columns.text and len({len(side) for side in lists}) > 1:
            raise UserError(
                f"{setting(columns)} has {len(lists[1])} texts beside {len(lists[0])} speakers:"
                " see clean.columns.speaker"
            )
        filled = [side if isinstance(side, list) else [side] for side in sides.values()]
        return [dict(zip(sides, turn, strict=True)) for turn in zip_longest(*filled)]
    if any(side is not None for side in sides.values()):
        return [value]
    inner = {key: decode(part) for key, part in value.items()}
    inner = {k: v for k, v in inner.items() if isinstance(v, list) and v and holds_objects(v)}
    if len(inner) == 1:
        return next(iter(inner.values()))
    if value and all(key.isdigit() for key in value):  # a list, as pandas writes it
        return list(value.values())
    example = f"{columns.conversation}.{next(iter(inner or value), 'turns')}"
    raise UserError(
        f"{setting(columns)} holds objects, {outline(value)}: lead to the turns or the text in"
        f" them by a path such as {example}"
    )


def holds_objects(items: list) -> bool:
    return all(isinstance(item, dict) for item in items)


def text_of(value: object) -> str | None:
    """The text of a turn, which may be in parts, as chat messages have it."""
    if isinstance(value, str):
        parts = decode(value) if value.lstrip()[:1] in ("[", "{") else None
        held = [decode(part) for part in (parts if isinstance(parts, list) else [parts])]
        known = any(map(is_part, held)) and all(isinstance(h, str) or is_part(h) for h in held)
        return text_of(held) if known and parts != value else value
    if isinstance(value, dict):
        return text_of(value.get("text", value.get("content")))
    if isinstance(value, list | tuple):
        # Pieces of one text, some in bold, or parts that stand for themselves.
        pieces = any(isinstance(part, str) for part in value) and any(map(is_part, value))
        return ("" if pieces else " ").join(filter(None, map(text_of, value))) or None
    return None if value is None else str(value)


def is_part(value: object) -> bool:
    return isinstance(value, dict) and bool({"type", "text", "content"} & value.keys())


def speaker_of(item: object, columns: Columns) -> str | None:
    speaker = field(item, columns.speaker)
    if isinstance(speaker, str) and isinstance(inner := decode(speaker), dict):
        speaker = inner or speaker
    if isinstance(speaker, dict | list):
        path = f"{columns.speaker}.{next(iter(speaker), 'name')}"
        raise UserError(
            f"speakers are objects, {outline(speaker)}: set clean.columns.speaker to a field of"
            f" them, such as {path}"
        )
    if isinstance(speaker, bool):
        return str(speaker).lower()
    return speaker if speaker is None or isinstance(speaker, str) else str(speaker)


def check_fields(items: list, columns: Columns) -> None:
    """A field that no turn has is a mistake in `clean.columns`; one that is null is not."""
    keys = ("customer", "agent") if columns.customer else ("speaker", "text")
    named = {key: getattr(columns, key) for key in keys if getattr(columns, key)}
    lacking = {
        key: path for key, path in named.items() if not any(has(item, path) for item in items)
    }
    # A conversation may have turns of one side alone.
    if lacking and not (columns.customer and len(lacking) == 1):
        key, path = next(iter(lacking.items()))
        raise UserError(
            f"a turn has no field {path!r}: see clean.columns.{key}; a turn is {outline(items[0])}"
        )


def has(item: object, path: str) -> bool:
    return (isinstance(item, dict) and path in item) or field(item, path) is not None


def setting(columns: Columns) -> str:
    return f"clean.columns.conversation {columns.conversation!r}"
