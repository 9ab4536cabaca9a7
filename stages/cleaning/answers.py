"""Conversations that hold their summary, as a prompt with its answer does: a model would be given it."""

from stages.cleaning.conversations import find_conversation, words
from stages.cleaning.guessing import NOTHING, messages_answered
from stages.cleaning.references import texts_at
from stages.common.cli import UserError

SHORT = 20  # characters, which may stand in a conversation by chance


def holds_answer(paths: dict[str, list], found: dict) -> bool:
    """Whether most conversations have their summary in them, as a prompt with its answer has."""
    if not found["conversation"] or not isinstance(found["references"], str):
        return False
    references = paths.get(found["references"], [])
    pairs = zip(paths.get(found["conversation"], []), references, strict=False)
    texts = [(" ".join(" ".join(words(a)).split()), (texts_at(b, []) or [""])[0]) for a, b in pairs]
    return sum(len(b) > SHORT and b in a for a, b in texts) > 0.5 * len(texts)


def without_answer(paths: dict[str, list], columns: dict[str, list], found: dict) -> dict:
    """Another conversation or, of chat messages, all but the last; `UserError` if there is none."""
    path, references = found["conversation"], found["references"]
    if messages_answered(paths[path], found):
        return {"references": f"{path}[-1].{found['text']}"}
    others = {name: v for name, v in paths.items() if not f"{name}.".startswith(f"{path}.")}
    tops = {name: values for name, values in columns.items() if name in others}
    try:
        other = NOTHING | find_conversation(others, tops)
    except UserError:
        other = {"conversation": None, "customer": None}
    if (other["conversation"] or other["customer"]) and not holds_answer(paths, found | other):
        return other
    raise UserError(
        f"the summaries of {references!r} stand in {path!r}, so that the model would be given its"
        " answer: set clean.columns.conversation and references to columns that are apart"
    )
