"""The study of a sweep: Optuna's record of its trials, which trials count, and which are lost.

The record is `sweeps/NAME.db`, or a storage that several workers share: a database, or a journal
on a disk of all. A worker that runs a trial writes the time into it again and again.
"""

import fcntl
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import MedianPruner
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from stages.common.cli import UserError
from tools.sweep.clone import take_experiment
from tools.sweep.experiment import loss_of, started_at, stop
from tools.sweep.space import Sweep, override

STUDIES = Path("sweeps")
JOURNAL = "journal:"  # opens the --storage that is a file
BEAT = 10.0  # seconds between two signs of life
SILENT = 120.0  # a worker without one for so long is dead; clocks may differ a little
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold the study for this process; the lock goes with it, however it ends."""
    STUDIES.mkdir(exist_ok=True)
    with open(STUDIES / f"{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another sweep is at work on the study {name}") from None
        yield


def open_storage(url: str | None, name: str) -> str | BaseStorage:
    """Optuna's storage for a --storage; a `UserError` where it cannot be reached."""
    if url is None:
        return f"sqlite:///{STUDIES / name}.db"
    for wait in (1, 3, None):
        try:
            if url.startswith(JOURNAL):
                return JournalStorage(JournalFileBackend(url.removeprefix(JOURNAL)))
            return optuna.storages.get_storage(url)
        except Exception as error:  # noqa: BLE001, each database has its own
            if wait is None:
                why = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise UserError(f"--storage cannot be opened: {why}") from None
            time.sleep(wait)  # another worker may be making its tables


def open_study(sweep: Sweep, raw: dict, url: str | None) -> optuna.Study:
    """The study of this name, begun or gone on with; an error where its trials would not compare."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=sweep.name,
        storage=open_storage(url, sweep.name),
        pruner=MedianPruner(n_startup_trials=sweep.prune_after),
        load_if_exists=True,
    )
    swept = dict.fromkeys([*sweep.space, *sweep.set])
    setting = {
        "the sweep's space, set, seed or random": sweep.model_dump(exclude={"trials"}),
        "params.yaml": override(raw, swept),
        "the stages' code": digest(Path("stages"), "*.py"),
        "the dataset": digest(Path(raw["fetch"]["dataset"]["path"]), "*"),
        "the base model": base_model(**model_of(override(raw, sweep.set))),
    }
    setting = json.loads(json.dumps(setting))
    before = study.user_attrs.get("setting", setting)
    for what, value in setting.items():
        if before.get(what, value) != value:
            raise UserError(
                f"{what} changed since the study {sweep.name} began, so new trials would not"
                " compare with its own: undo that, or give the sweep another name"
            )
    study.set_user_attr("setting", setting)
    return study


def model_of(raw: dict) -> dict[str, str]:
    return {key: raw["fetch"]["model"][key] for key in ("source", "path")}


def base_model(source: str, path: str) -> str:
    """The content of a base model in a folder, whose path says nothing of it; of others, nothing."""
    return digest(Path(path), "*") if source == "path" else ""


def digest(folder: Path, pattern: str) -> str:
    hashed = hashlib.sha256()
    for path in sorted(path for path in folder.rglob(pattern) if path.is_file()):
        with open(path, "rb") as file:
            hashed.update(hashlib.file_digest(file, "sha256").digest())
    return hashed.hexdigest()


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that count. One that failed without an error was interrupted, and is run again."""
    trials = study.get_trials(deepcopy=False)
    return [t for t in trials if t.state in ENDED or "error" in t.user_attrs]


def best_of(trials: list[FrozenTrial]) -> FrozenTrial | None:
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: trial.value, default=None)


def settle(study: optuna.Study, sweep: Sweep, clone: Path) -> None:
    """End what a killed sweep of this folder left running, and what other workers left that died.

    A trial counts if its experiment had come to its end; else its values are tried again.
    """
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        name, loss = f"{sweep.name}-{trial.number}", None
        if trial.user_attrs.get("worker") == worker():
            pid, created = trial.user_attrs.get("process", (None, None))
            if pid and started_at(pid) == created:  # else the number is another process's by now
                stop(pid)
            loss = loss_of(name, clone)
            take_experiment(clone, name)
        elif seen(trial) > time.time() - SILENT:
            continue
        if loss is None:
            try_again(study, trial)
        else:
            study.tell(trial.number, loss)


def seen(trial: FrozenTrial) -> float:
    """When its worker last gave a sign of life, in seconds since 1970."""
    return trial.user_attrs.get("seen", trial.datetime_start.timestamp())


def worker() -> str:
    """This machine and folder: a folder has one sweep at a time."""
    return f"{platform.node()}:{os.getcwd()}"


def try_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """End a trial without a result and put its values first in line, once for all workers."""
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (UpdateFinishedTrialError, ValueError):
        return  # another worker was faster
    study.enqueue_trial(trial.params)


def under_way(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=[TrialState.RUNNING]))
