"""Which columns of a raw table are the references, told from names and contents."""

from statistics import mean

import regex

from stages.cleaning.conversations import REFERENCE, TARGET, stem_of, words
from stages.cleaning.guessing import messages_answered
from stages.cleaning.paths import decode
from stages.cleaning.references import is_missing, texts_at
from stages.common.languages import UNSPACED

# What is said about a summary, or names something else; and whose summary it is, if there are several.
NOT_REFERENCE = regex.compile(
    r"extractive|\bid\b|_id$|length|count|model|status|quality|score|rating|lang|date|time|url|type|_by$"
    r"|(?:order|booking|case|ticket|invoice|payment|customer|client|your|our|external)[\W_]*ref",
    regex.IGNORECASE,
)
BY_PEOPLE = regex.compile(r"human|gold|manual|annotat|abstractive", regex.IGNORECASE)
BY_MACHINE = regex.compile(
    r"(?:^|[\W_])(?:ai|auto\w*|gpt\w*|llm|bot|generated|predicted|machine|draft|old)(?:$|[\W_])",
    regex.IGNORECASE,
)
ONE_WORD = regex.compile(rf"\s*[^\s{UNSPACED}]+\s*", regex.VERSION1)


def find_references(paths: dict[str, list], found: dict) -> str | list[str] | None:
    """The path to the references; several columns, `summary1` and `summary2`, where they are one each."""
    taken = [found[key] for key in ("conversation", "id", "speaker") if found[key]]
    if found["conversation"] is None:
        taken += [found["customer"], found["agent"]]
    readable = {}
    for path, values in paths.items():
        if any(path == other or path.startswith(f"{other}.") for other in taken):
            continue
        known = [value for value in map(decode, values) if not is_missing(value)]
        if not known or any(isinstance(value, dict) for value in known):
            continue
        if sum(texts_at(value, []) is not None for value in known) >= 0.8 * len(known):
            name = path.split(".")[-1]
            score = 4 if REFERENCE.search(name) else 3 if REFERENCE.search(path) else 0
            score = score or (3 if any(map(REFERENCE.search, fields_of(known))) else 0)
            score = score or (2 if TARGET.search(name) else 0)
            score -= 3 if NOT_REFERENCE.search(name) else 0
            label = is_label(known)
            # A status called outcome is no summary; a column called summary may be anything.
            if score > 2 or (score > 0 and not label):
                people = bool(BY_PEOPLE.search(path)) - bool(BY_MACHINE.search(path))
                many = mean(map(len, map(words, known)))
                readable[path] = (not label, score, people, many)
    best = max(readable, key=readable.get, default=None)
    if best is None:
        values = paths.get(found["conversation"], [])
        answer = f"{found['conversation']}[-1].{found['text']}"
        return answer if messages_answered(values, found) else None
    stem = stem_of(best)
    empty = [
        path for path, values in paths.items() if all(map(is_missing, values))
    ]  # in the sample
    family = [
        path for path in paths if (path in readable or path in empty) and stem_of(path) == stem
    ]
    return family if len(family) > 1 else best


def is_label(values: list) -> bool:
    """Whether most texts are one word, such as a status, a number or somebody's name."""
    texts = [text for value in values for text in words(value)]
    return sum(map(bool, map(ONE_WORD.fullmatch, texts))) > 0.5 * len(texts)


def fields_of(values: list) -> set[str]:
    """The names of the fields of objects in lists, such as annotations."""
    items = [decode(item) for value in values if isinstance(value, list) for item in value]
    return {key for item in items if isinstance(item, dict) for key in item}
