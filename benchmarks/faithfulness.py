"""Do the measures of faithfulness see an error? AUC on references that are made wrong.

    python -m benchmarks.faithfulness --tweetsumm DATA/tweetsumm/validation.jsonl \
        --dialogsum DATA/dialogsum/dev.jsonl

Corrupts references in five ways: a number changed, a name swapped, the roles swapped, the reference
of another dialogue, a sentence negated. AUC is the probability that a reference scores above a
corrupted one, ties counted half; both are those to which the corruption applies. Where a measure is
not defined it has nothing against the summary and counts as its best value. Prints a Markdown table
for each corpus. The corruptions share no code with the measures.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np

from stages.common.cli import UserError, run
from stages.common.words import choose_words
from stages.scoring.faithfulness import Checker

Dialogue = tuple[list[dict], list[str]]  # turns with speaker and text, references
SEED = 42
SMALL_NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
EDGES = ".,'!?:;()\"’"  # beside a word
KINDS = ("number changed", "name swapped", "roles swapped", "another dialogue", "negated")
AUXILIARIES = {"is", "are", "was", "were", "has", "have", "had", "will", "can", "could", "should"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faithfulness")
    parser.add_argument("--tweetsumm", type=Path, help="JSON lines in DialogStudio's layout")
    parser.add_argument("--dialogsum", type=Path, help="JSON lines: dialogue, summary")
    parser.add_argument("--classifier", help="measure this one, too: as score.classifier")
    parser.add_argument(
        "--pmi", type=Path, help="measure it by this model: a folder as models/base"
    )
    parser.add_argument("--dialogues", type=int, help="the first ones of each corpus; all")
    args = parser.parse_args()
    corpora = {"TweetSumm": (args.tweetsumm, read_tweetsumm), "DialogSum": (args.dialogsum, read_dialogsum)}  # fmt: skip
    given = {name: read(path)[: args.dialogues] for name, (path, read) in corpora.items() if path}
    if not given:
        raise UserError("name at least one corpus: --tweetsumm FILE, --dialogsum FILE")
    for name, dialogues in given.items():
        references = sum(len(texts) for _, texts in dialogues)
        print(f"{name}, {len(dialogues)} dialogues, {references} references\n")
        print("\n".join(table(measure(dialogues, args.classifier, args.pmi))), end="\n\n")


def read_tweetsumm(path: Path) -> list[Dialogue]:
    dialogues = []
    for row in map(json.loads, path.open(encoding="utf-8")):
        info = json.loads(row["original dialog info"])
        turns = [
            {"speaker": speaker, "text": turn[field]}
            for turn in row["log"]
            for speaker, field in (("customer", "user utterance"), ("agent", "system response"))
            if turn[field]
        ]
        texts = info["summaries"]["abstractive_summaries"]
        dialogues.append((turns, [" ".join(sentences) for sentences in texts]))
    return dialogues


def read_dialogsum(path: Path) -> list[Dialogue]:
    dialogues = []
    for row in map(json.loads, path.open(encoding="utf-8")):
        lines = (line.partition(": ") for line in row["dialogue"].splitlines())
        turns = [{"speaker": who, "text": text} for who, _, text in lines]
        dialogues.append((turns, [row["summary"]]))
    return dialogues


# Corruptions: of a reference, or None where there is nothing to corrupt.


def change_number(text: str, rng: random.Random) -> str | None:
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if number_part(word) and "#" not in word]
    if not places:
        return None
    at = rng.choice(places)
    part = number_part(words[at])
    if part.isdigit():
        new = part
        while new == part:
            first = rng.choice("123456789")
            new = first + "".join(rng.choice("0123456789") for _ in part[1:])
    else:
        new = rng.choice([word for word in SMALL_NUMBERS if word != part])
    words[at] = words[at].replace(part, new, 1)
    return " ".join(words)


def number_part(word: str) -> str:
    """The first run of digits in a word, or the word if it is a small number."""
    digits = "".join(c if c.isdigit() else " " for c in word).split()
    return digits[0] if digits else word if word in SMALL_NUMBERS else ""


def find_names(conversations: list[str]) -> set[str]:
    """Words that conversations write twice at least, and with a capital each time."""
    seen, small = Counter(), set()
    for text in conversations:
        for word in text.split():
            core = word.strip(EDGES)
            if core.isalpha() and len(core) > 2:
                small.update([core] if core.islower() else [])
                seen.update([core] if core.istitle() else [])
    return {word for word, count in seen.items() if count > 1 and word.lower() not in small}


def swap_name(text: str, names: list[str], rng: random.Random) -> str | None:
    """One of the names, however the reference writes it, becomes another that is not there."""
    words, known = text.split(" "), {name.lower() for name in names}
    places = [i for i, word in enumerate(words) if word.strip(EDGES).lower() in known]
    if not places:
        return None
    at = rng.choice(places)
    core = words[at].strip(EDGES)
    new = rng.choice([name for name in names if name.lower() not in text.lower()])
    words[at] = words[at].replace(core, new.lower() if core.islower() else new, 1)
    return " ".join(words)


def swap_roles(text: str, turns: list[dict]) -> str | None:
    """Each of the first two speakers' names becomes the other's."""
    one, other = list(dict.fromkeys(turn["speaker"] for turn in turns))[:2]
    swapped = text.replace(one, "\0").replace(one.title(), "\1")
    swapped = swapped.replace(other, one).replace(other.title(), one.title())
    swapped = swapped.replace("\0", other).replace("\1", other.title())
    return None if swapped == text else swapped


def negate(text: str) -> str | None:
    """The first auxiliary gets a "not", or loses it."""
    words = text.split(" ")
    at = next((i for i, word in enumerate(words) if word in AUXILIARIES), None)
    if at is None:
        return None
    if words[at + 1 : at + 2] == ["not"]:
        del words[at + 1]
    else:
        words.insert(at + 1, "not")
    return " ".join(words)


def corrupted(dialogues: list[Dialogue], names: list[str]) -> dict[str, list[tuple[int, str, str]]]:
    """By kind: the dialogue, its reference and the corrupted one."""
    rng = random.Random(SEED)
    found: dict[str, list] = {kind: [] for kind in KINDS}
    for i, (turns, texts) in enumerate(dialogues):
        for text in texts:
            far = rng.choice([j for j in range(len(dialogues)) if j != i])
            wrong = [
                change_number(text, rng),
                swap_name(text, names, rng),
                swap_roles(text, turns),
                rng.choice(dialogues[far][1]),
                negate(text),
            ]
            for kind, new in zip(KINDS, wrong, strict=True):
                found[kind] += [] if new is None else [(i, text, new)]
    return found


# Measuring


def measure(
    dialogues: list[Dialogue], classifier: str | None = None, base: Path | None = None
) -> dict[str, tuple[int, dict[str, float]]]:
    """By kind of corruption: how many references it applies to, and AUC by measure."""
    names = sorted(find_names([turn["text"] for turns, _ in dialogues for turn in turns]))
    # As clean leaves them by default: conversations in lower case.
    lower = [[turn | {"text": turn["text"].lower()} for turn in turns] for turns, _ in dialogues]
    references = [texts for _, texts in dialogues]
    words, _ = choose_words("auto", [text for texts in references for text in texts])
    checker = Checker(lower, references, words, classifier, base)
    pairs = corrupted(dialogues, names)
    found = check_all(checker, lower, [pair for some in pairs.values() for pair in some])
    results = {}
    for kind, some in pairs.items():
        right, wrong = ([found[i, texts[side]] for i, *texts in some] for side in (0, 1))
        results[kind] = (
            len(some),
            {name: auc([m[name] for m in right], [m[name] for m in wrong]) for name in right[0]},
        )
    return results


def check_all(checker: Checker, turns: list[list[dict]], pairs: list[tuple[int, str, str]]) -> dict:
    """Measures by dialogue and text; the texts of a dialogue at once, for models read it once."""
    texts: dict[int, dict[str, None]] = {}
    for i, right, wrong in pairs:
        texts.setdefault(i, {}).update({right: None, wrong: None})
    return {
        (i, text): one.measures
        for i, some in texts.items()
        for text, one in zip(some, checker.check(turns[i], list(some)), strict=True)
    }


def auc(right: list[float | None], wrong: list[float | None]) -> float:
    """The probability that one of `right` is above one of `wrong`, ties counted half."""
    sides = [np.array([np.inf if v is None else v for v in side]) for side in (right, wrong)]
    above = (sides[0][:, None] > sides[1]).mean()
    return float(above + (sides[0][:, None] == sides[1]).mean() / 2)


def table(results: dict[str, tuple[int, dict[str, float]]]) -> list[str]:
    kinds = [f"{kind} ({count})" for kind, (count, _) in results.items()]
    lines = ["| | " + " | ".join(kinds) + " |", "|---|" + "---:|" * len(kinds)]
    for name in next(iter(results.values()))[1]:
        found = [aucs[name] for _, aucs in results.values()]
        lines.append(f"| `{name}` | " + " | ".join(f"{a:.2f}" for a in found) + " |")
    return lines


if __name__ == "__main__":
    run(main)
