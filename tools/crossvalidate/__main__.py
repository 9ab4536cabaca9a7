"""Settings compared on dialogues that they were not trained on: every one of train and validation.

    python -m tools.crossvalidate
    python -m tools.crossvalidate my_settings.yaml

The file names settings, folds and seeds. For each of them the pipeline runs in a clone of this
commit with `clean.fold`, and the summaries of that fold are scored; the test split is not touched.
What is finished stays in `sweeps/NAME.folds`: interrupted or killed, the same command goes on.
Prints a Markdown table and writes it to `metrics/crossvalidation.csv`.
"""

import argparse
import csv
import shutil
import signal
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import Interrupted, on_signal, run
from stages.params import Params, load
from stages.training.durations import in_words
from tools.compare.markdown import table
from tools.crossvalidate.fold import score, stop_left, train
from tools.crossvalidate.plan import Plan, Training, key_of, read_plan, trainings, values_of
from tools.crossvalidate.report import HEADER, read_scores, summarize
from tools.sweep.clone import make_clone, remove_clone
from tools.sweep.space import override
from tools.sweep.study import STUDIES, alone, base_model, digest, model_of

TABLE = Path("metrics/crossvalidation.csv")


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m tools.crossvalidate", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "file", nargs="?", default="crossvalidate.yaml", help="default: %(default)s"
    )
    args = parser.parse_args()
    load()  # what the settings start from must be sound
    raw = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    plan = read_plan(need(args.file, "describe the settings there"), raw)
    for number in (signal.SIGINT, signal.SIGTERM):  # nohup's children would not heed the first
        signal.signal(number, on_signal)
    with alone(plan.name):
        files = files_of(plan, raw)
        todo = [training for training in files if not files[training].exists()]
        print(f"crossvalidate: {len(files) - len(todo)} of {len(files)} trainings done", flush=True)
        clone = STUDIES / f"{plan.name}.clone"
        try:
            if todo:
                renew(clone)
            for _ in run_all(plan, raw, files, todo, clone):
                show(files, len(plan.settings))
            remove_clone(clone)
        except KeyboardInterrupt:
            raise Interrupted("interrupted: what is finished is kept, run again to go on") from None


def renew(clone: Path) -> None:
    """A clone of this commit, with the checkpoint of a training that was cut off in the last one."""
    stop_left(clone)
    checkpoints, aside = clone / "models/checkpoints", clone.with_suffix(".checkpoints")
    if checkpoints.exists():
        shutil.rmtree(aside, ignore_errors=True)
        checkpoints.replace(aside)
    make_clone(clone)
    if aside.exists():
        checkpoints.parent.mkdir(exist_ok=True)
        aside.replace(checkpoints)


def files_of(plan: Plan, raw: dict) -> dict[Training, Path]:
    """Where the scores of each training are, or will be."""
    source = raw["fetch"]["dataset"]["path"]
    code = digest(Path("stages"), "*.py") + digest(Path(__file__).parent, "fold.py")
    data = digest(Path(source), "*")
    hashed = cache(base_model)  # one of many gigabytes may be that of all settings
    read = {
        setting: code + data + hashed(**model_of(override(raw, values or {})))
        for setting, values in plan.settings.items()
    }
    folder = STUDIES / f"{plan.name}.folds"
    return {
        one: folder / f"{key_of(raw, values_of(plan, one), read[one.setting])}.parquet"
        for one in trainings(plan)
    }


def run_all(
    plan: Plan, raw: dict, files: dict[Training, Path], todo: list[Training], clone: Path
) -> Iterator[None]:
    """Run what is left; yield after each fold that all settings have seen, and at the end."""
    started = time.monotonic()
    for number, training in enumerate(todo):
        what = f"{training.setting}, seed {training.seed}, fold {training.fold} of {plan.folds}"
        print(f"crossvalidate: {what}{left(started, number, len(todo))}", flush=True)
        values = values_of(plan, training)
        train(clone, raw, values, what)
        score(clone, Params.model_validate(override(raw, values)), files[training])
        if training.setting == list(plan.settings)[-1] and number + 1 < len(todo):
            yield
    yield


def left(started: float, done: int, total: int) -> str:
    if not done:
        return ""
    return f" (about {in_words((time.monotonic() - started) / done * (total - done))} left)"


def show(files: dict[Training, Path], settings: int) -> None:
    """Print the table of what is finished, and write it."""
    scores = read_scores(files, settings)
    if len({fold for _, fold in scores}) < 2:
        return
    rows, lines = summarize(scores)
    print("\n".join(["", *table(HEADER, rows), "", *lines, ""]), flush=True)
    with atomic_write(TABLE) as aside, open(aside, "w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([HEADER, *rows])


if __name__ == "__main__":
    run(main)
