"""What metrics/dialogues.csv of a revision holds: BLEU's counts and the measures of faithfulness."""

import csv
import io
from collections.abc import Callable

from stages.common.cli import UserError
from stages.scoring.bleu import STATISTICS
from stages.scoring.faithfulness import MEASURES, WITH_A_MODEL
from tools.compare.revision import Revision

PATH = "metrics/dialogues.csv"


def read_counts(revision: Revision) -> dict[str, dict[str, tuple[int, ...]]]:
    """BLEU's counts by system and dialogue; empty where the revision has no such table."""
    return read(revision, lambda row: tuple(int(row[name]) for name in STATISTICS))


def read_measures(revision: Revision) -> dict[str, dict[str, dict[str, float | None]]]:
    """Faithfulness by system, dialogue and measure: those that the revision's table has."""

    def values(row: dict[str, str]) -> dict[str, float | None]:
        return {
            k: float(row[k]) if row[k] else None for k in [*MEASURES, *WITH_A_MODEL] if k in row
        }

    return read(revision, values)


def read(revision: Revision, values: Callable[[dict[str, str]], object]) -> dict[str, dict]:
    text = (revision.read(PATH) or b"").decode("utf-8", "replace")
    found = {}
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            found.setdefault(row["system"], {})[row["id"]] = values(row)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{PATH} of {revision} is not a table as score writes it") from None
    return found
