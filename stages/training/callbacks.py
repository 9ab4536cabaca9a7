"""Callbacks of the trainer: progress, the time it will take, checkpoints, Ctrl-C, early stopping."""

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

from tqdm import tqdm
from transformers import TrainerCallback

from stages.common.cli import Interrupted, UserError
from stages.model import processes
from stages.params import Params
from stages.training.durations import in_words
from stages.training.live_metrics import LiveMetrics
from stages.training.trackers import Tracker, trackers

MEASURED = 10  # steps
LOSSES = "FINETUNE_LOSSES"  # environment variable: the path of `LossFile`
LOSS_NOT_FINITE = "the {} loss at step {} is not a number: lower finetune.learning_rate"


def training_callbacks(params: Params, live: Path | None = None) -> list[TrainerCallback]:
    """Everything that happens beside the steps of one training.

    `live` is the folder that gets the metrics so far.
    """
    return [
        *map(Tracker, trackers(params.run)),
        Progress(),
        TimeLeft(),
        EarlyStopping(params.finetune.patience),
        LossFile(),
        *([LiveMetrics(live)] if live else []),
        Checkpoints(params.run.checkpoint_minutes),
    ]


class Progress(TrainerCallback):
    """One line with steps, rate, time left and the last losses."""

    def on_train_begin(self, args, state, control, **_):
        # A terminal redraws the line; a log file gets a new one each time.
        interval = 0.1 if sys.stderr.isatty() else 30
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="finetune",
            unit="step",
            mininterval=interval,
            disable=not processes.is_first(),
        )
        self.losses = {}

    def on_step_end(self, args, state, control, **_):
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args, state, control, logs=None, **_):
        names = {"loss": "loss", "eval_loss": "validation loss"}
        self.losses |= {names[key]: f"{logs[key]:.3f}" for key in names if key in logs}
        self.bar.set_postfix(self.losses, refresh=False)

    def on_train_end(self, args, state, control, **_):
        self.bar.close()


class TimeLeft(TrainerCallback):
    """Says once how long the training will take, by `MEASURED` steps after the first, which compiles.

    Where a log is read and not a terminal, the progress line is far from its start.
    """

    def on_train_begin(self, args, state, control, **_):
        self.first = state.global_step + 1

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.first:
            self.started = time.monotonic()
        elif state.global_step == self.first + MEASURED:
            if not (left := state.max_steps - state.global_step):
                return
            seconds = (time.monotonic() - self.started) / MEASURED * left
            line = f"finetune: about {in_words(seconds)} for the other {left} steps"
            tqdm.write(f"{line}, and what evaluations take")


class Checkpoints(TrainerCallback):
    """Saves a checkpoint every `minutes`. On Ctrl-C or SIGTERM it saves one and ends the run.

    A signal takes effect at the end of the step, since a checkpoint cannot be taken within one. A
    second signal ends the run at once, without a checkpoint.
    """

    def __init__(self, minutes: float):
        self.seconds, self.interrupted, self.handlers = 60 * minutes, 0, {}

    def on_train_begin(self, args, state, control, **_):
        self.saved = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.handlers[number] = signal.signal(number, self.on_signal)

    def on_signal(self, number: int, _frame) -> None:
        self.interrupted = number
        if processes.is_first():
            # A handler may run in the middle of a print, which cannot be entered twice.
            os.write(2, b"\nfinetune: stopping after this step and its checkpoint\n")
        self.restore_handlers()  # for a second signal

    def restore_handlers(self) -> None:
        while self.handlers:
            signal.signal(*self.handlers.popitem())

    def on_train_end(self, args, state, control, **_):
        self.restore_handlers()

    def on_step_end(self, args, state, control, **_):
        due = time.monotonic() - self.saved > self.seconds
        # Of several processes, each has its own clock, and the signal may have reached one alone.
        signals, due = zip(*processes.gather((self.interrupted, due)), strict=True)
        self.interrupted = max(signals)
        if self.interrupted or any(due):
            control.should_save = True
        # Losses that are not logged yet are not in the checkpoint: a resumed run would lose them.
        control.should_log |= control.should_save

    def on_save(self, args, state, control, **_):
        self.saved = time.monotonic()
        if self.interrupted:
            where = f"interrupted at step {state.global_step} of {state.max_steps}"
            raise Interrupted(
                f"{where}: a checkpoint is kept, run again to resume", self.interrupted
            )


class EarlyStopping(TrainerCallback):
    """Stops after `patience` evaluations without a better loss.

    A `UserError` ends the run where a validation loss is not finite.
    """

    def __init__(self, patience: int):
        self.patience = patience

    def on_evaluate(self, args, state, control, **_):
        losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
        if not math.isfinite(losses[-1]):
            raise UserError(LOSS_NOT_FINITE.format("validation", state.global_step))
        if len(losses) - 1 - losses.index(min(losses)) >= self.patience:
            control.should_training_stop = True
            control.should_save = False  # a run resumed from here would continue training


class LossFile(TrainerCallback):
    """Appends each evaluation as a line of JSON to the file at `FINETUNE_LOSSES`, for a sweep."""

    def on_evaluate(self, args, state, control, metrics, **_):
        if (path := os.environ.get(LOSSES)) and processes.is_first():
            with open(path, "a", encoding="utf-8") as out:
                line = {"step": state.global_step, "validation_loss": metrics["eval_loss"]}
                out.write(json.dumps(line) + "\n")
