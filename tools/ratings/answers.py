"""The answers of all raters, in one table that DVC tracks: item, rater, and the three answers."""

import csv
import fcntl
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.common.atomic_io import atomic_write
from stages.common.cli import UserError
from tools.ratings.items import Item

ANSWERS = Path("data/ratings.csv")
QUESTIONS = {
    "customer": "Is the customer's part right?",
    "agent": "Is the agent's part right?",
    "two_sentences": "Are these at most two sentences?",
}
JUDGE = "judge:"  # before the name of a model that rates
NAME = re.compile(r"\w[\w .@-]{0,59}")
CELLS = {"yes": True, "no": False, "": None}

Answer = dict[str, bool | None]  # by question; None: not answered
Answers = dict[tuple[str, str], Answer]  # by item and rater


def read_answers(path: Path = ANSWERS) -> Answers:
    """All answers; none where there is no table. Raises `UserError` if it is not one."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        try:
            return {
                (row["item"], row["rater"]): {name: CELLS[row[name]] for name in QUESTIONS}
                for row in rows
            }
        except KeyError:
            raise UserError(
                f"{path} is not a table of answers at line {rows.line_num}: `dvc checkout {path}`"
                " brings back the one that was added last"
            ) from None


def save_answers(new: Answers, path: Path = ANSWERS, replace: bool = False) -> None:
    """Add answers to the table, or change them. What is None in `new` stays as it was; with
    `replace` it goes.

    Several processes and threads may save at the same time. The table is whole at any moment.
    """
    with locked(path):
        answers = read_answers(path)
        for key, answer in new.items():
            given = {name: value for name, value in answer.items() if value is not None}
            if replace:
                answers.pop(key, None)
            if given:
                answers[key] = dict.fromkeys(QUESTIONS) | answers.get(key, {}) | given
        texts = {value: text for text, value in CELLS.items()}
        rows = [
            [*key, *(texts[answers[key][name]] for name in QUESTIONS)] for key in sorted(answers)
        ]
        with atomic_write(path) as aside, open(aside, "w", encoding="utf-8", newline="") as out:
            csv.writer(out, lineterminator="\n").writerows([["item", "rater", *QUESTIONS], *rows])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def next_item(items: Iterable[Item], answers: Answers, rater: str) -> Item | None:
    """The first item of which the rater has not answered all questions; None at the end."""
    return next((item for item in items if not is_complete(answers.get((item.id, rater)))), None)


def is_complete(answer: Answer | None) -> bool:
    return answer is not None and None not in answer.values()


def rater_name(text: str) -> str:
    """A person's name as the table has it: Ana and ana are one. Raises `UserError` if it is none."""
    name = " ".join(text.split()).lower()
    if not NAME.fullmatch(name):
        raise UserError(
            f"{text!r} is no name of a rater: take up to 60 letters, digits, spaces and . @ - _"
        )
    return name
