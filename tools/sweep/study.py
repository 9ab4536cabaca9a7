"""The study of a sweep: Optuna's record of its trials in `sweeps/NAME.db`, and who may write it."""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.pruners import MedianPruner
from optuna.trial import FrozenTrial, TrialState

from stages.common.cli import UserError
from tools.sweep.experiment import loss_of, started_at, stop
from tools.sweep.space import Sweep, override

STUDIES = Path("sweeps")
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


def open_study(sweep: Sweep, raw: dict) -> optuna.Study:
    """The study of this name, begun or gone on with; an error where its trials would not compare."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=sweep.name,
        storage=f"sqlite:///{STUDIES / sweep.name}.db",
        pruner=MedianPruner(n_startup_trials=sweep.prune_after),
        load_if_exists=True,
    )
    swept = dict.fromkeys([*sweep.space, *sweep.set])
    setting = {
        "the sweep's space, set, seed or random": sweep.model_dump(exclude={"trials"}),
        "params.yaml": override(raw, swept),
        "the stages' code": digest(Path("stages"), "*.py"),
        "the dataset": digest(Path(raw["fetch"]["dataset"]["path"]), "*"),
    }
    setting = json.loads(json.dumps(setting))
    before = study.user_attrs.get("setting", setting)
    for what, value in setting.items():
        if before[what] != value:
            raise UserError(
                f"{what} changed since the study {sweep.name} began, so new trials would not"
                " compare with its own: undo that, or give the sweep another name"
            )
    study.set_user_attr("setting", setting)
    return study


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


def settle(study: optuna.Study, sweep: Sweep) -> None:
    """End what a killed sweep left running; a trial counts if its experiment had come to its end."""
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        pid, created = trial.user_attrs.get("process", (None, None))
        if pid and started_at(pid) == created:  # else the number is another process's by now
            stop(pid)
        loss = loss_of(f"{sweep.name}-{trial.number}")
        study.tell(trial.number, loss, state=TrialState.FAIL if loss is None else None)
