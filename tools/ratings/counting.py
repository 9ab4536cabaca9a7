"""Count all answers: the metrics, the table on the console, and the answers into DVC."""

import subprocess
import sys

from stages.common.atomic_io import write_json
from stages.common.cli import UserError
from tools.ratings.answers import ANSWERS, read_answers
from tools.ratings.items import read_items
from tools.ratings.printing import lines
from tools.ratings.results import METRICS, results


def count() -> None:
    """Write `metrics/ratings.json`, print it, and `dvc add` the answers."""
    answers = read_answers()
    if not answers:
        raise UserError(f"{ANSWERS} has no answers yet: name filled sheets, or rate in the app")
    figures = results(read_items(), answers)
    write_json(METRICS, figures)
    print("\n".join(lines(figures)))
    command = [sys.executable, "-m", "dvc", "add", "--quiet", str(ANSWERS)]
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"{METRICS} is written, but `dvc add {ANSWERS}` failed: see above")
    print(f"ratings: to commit them, `git add {ANSWERS}.dvc {METRICS}`")
