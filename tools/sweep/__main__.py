"""A guided search over params: Optuna asks, `dvc exp run` answers, validation loss decides.

    python -m tools.sweep
    python -m tools.sweep --trials 20 my_sweep.yaml
    python -m tools.sweep --storage postgresql+psycopg://user@host/sweeps

Each trial runs the pipeline up to `finetune` as a DVC experiment in a clone of this commit, and is
cut short when its validation loss is above the median of the trials before it. The study lives in
`sweeps/NAME.db`: interrupted or killed, the same command goes on. Writes `metrics/sweep.csv`.

With --storage, a database or `journal:FILE` on a disk of all, several workers share the study, each
in a clone of its own. What a worker that died was trying, another one tries again.
"""

import argparse
import csv
import math
import signal
import sys
import time
from pathlib import Path

import optuna
import yaml
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import Interrupted, UserError, on_signal, run
from stages.params import Params, load
from tools.sweep.clone import make_clone, remove_clone, take_experiment
from tools.sweep.experiment import check_place, follow, loss_of, start, started_at, stop
from tools.sweep.space import Sweep, check, override, read_sweep, short
from tools.sweep.study import (
    BEAT,
    ENDED,
    STUDIES,
    alone,
    best_of,
    finished,
    open_study,
    settle,
    try_again,
    under_way,
    worker,
)

TABLE = Path("metrics/sweep.csv")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tools.sweep", description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default="sweep.yaml", help="default: sweep.yaml")
    parser.add_argument("--trials", type=int, help="in all; default: as the file says")
    parser.add_argument("--storage", metavar="URL", help="that several workers share")
    args = parser.parse_args()
    load()  # what the trials start from must be sound
    raw = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    sweep = read_sweep(need(args.file, "describe the sweep there"))
    space = check(sweep, raw, args.file)
    check_place(Path.cwd())
    knobs = Params.model_validate(override(raw, sweep.set)).finetune
    evaluations = math.floor(knobs.num_train_epochs * knobs.evals_per_epoch)
    total = args.trials or sweep.trials
    for number in (signal.SIGINT, signal.SIGTERM):  # nohup's children would not heed the first
        signal.signal(number, on_signal)
    clone = STUDIES / f"{sweep.name}.clone"
    with alone(sweep.name):
        study = open_study(sweep, raw, args.storage)
        try:
            settle(study, sweep, clone)
            print(f"sweep: {sweep.name}, {len(finished(study))} of {total} trials done", flush=True)
            if len(finished(study)) < total:
                make_clone(clone)
            while len(finished(study)) < total:
                if len(finished(study)) + under_way(study) < total:
                    run_trial(study, sweep, space, evaluations, clone)
                else:  # the last ones are other workers', who may die
                    time.sleep(1)
                settle(study, sweep, clone)
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted: finished trials are kept, run again to resume"
            ) from None
        finally:
            remove_clone(clone)
            write_table(study, sweep)
    best = best_of(finished(study))
    if best is None:
        raise UserError("no trial came to its end; the reasons stand above")
    name = f"{sweep.name}-{best.number}"
    again = " ".join(["python -m tools.sweep", *sys.argv[1:]])
    print(f"sweep: {name} is best, with validation loss {best.value:.4f}. To take it:")
    print(f"  dvc exp apply {name}; dvc repro    # its adapter, then summaries and scores")
    print(f"  {again}    # no trial: writes {TABLE} again, for apply has put it back")


def run_trial(
    study: optuna.Study, sweep: Sweep, space: dict, evaluations: int, clone: Path
) -> None:
    # A seed for each draw: a sweep that goes on, and several workers, do not draw values twice.
    # The values of a trial that was interrupted are first in line, whatever the seed.
    seed = (sweep.seed + len(finished(study)) + under_way(study)) % 2**32
    liar = under_way(study) > 0  # keep away from what others try at this moment
    study.sampler = TPESampler(n_startup_trials=sweep.random, seed=seed, constant_liar=liar)
    trial = study.ask(space)
    trial.set_user_attr("worker", worker())
    name, values = f"{sweep.name}-{trial.number}", {k: short(trial.params[k]) for k in space}
    print(f"sweep: {name}: {', '.join(f'{k}={v}' for k, v in values.items())}", flush=True)
    losses = STUDIES / f"{name}.losses"
    process = start(name, sweep.set | values, losses, clone)
    trial.set_user_attr("process", [process.pid, started_at(process.pid)])
    pruned, beaten = False, 0.0

    def beat() -> None:
        nonlocal beaten
        if time.time() - beaten > BEAT:
            beaten = time.time()
            trial.set_user_attr("seen", beaten)

    try:
        for step, loss in enumerate(follow(process, losses, beat), 1):
            trial.report(loss, step)
            print(f"sweep: {name}: loss {loss}, evaluation {step} of {evaluations}", flush=True)
            # Nothing is saved by cutting short a trial that has been trained to its end.
            if step < evaluations and trial.should_prune():
                pruned = True
                stop(process.pid)
                break
        failed = process.wait() != 0 and not pruned
    except KeyboardInterrupt:
        stop(process.pid)
        try_again(study, study.get_trials(deepcopy=False)[trial.number])
        raise
    if failed:
        trial.set_user_attr("error", True)
        study.tell(trial, state=TrialState.FAIL)
        if not any(t.state in ENDED for t in finished(study)):
            raise UserError(f"{name} failed, and no trial before it did better: see above")
    elif pruned:
        study.tell(trial, state=TrialState.PRUNED)
        print(f"sweep: {name}: cut short, above the median at evaluation {step}", flush=True)
    else:
        take_experiment(clone, name)
        study.tell(trial, loss_of(name, clone))


def write_table(study: optuna.Study, sweep: Sweep) -> None:
    """A row a trial, in their order; `best` is the lowest loss so far of those that ended."""
    trials = finished(study)
    rows = [["trial", "experiment", "state", "validation_loss", "best", "seconds", *sweep.space]]
    for i, trial in enumerate(trials):
        best = best_of(trials[: i + 1])
        reported = list(trial.intermediate_values.values())
        row = [
            trial.number,
            f"{sweep.name}-{trial.number}",
            trial.state.name.lower(),
            reported[-1] if trial.value is None and reported else trial.value,
            best.value if best else "",
            round(trial.duration.total_seconds()),
        ]
        rows.append([*row, *(short(trial.params[key]) for key in sweep.space)])
    with atomic_write(TABLE) as aside, open(aside, "w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    run(main)
