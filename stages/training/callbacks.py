"""What happens beside the steps: one progress line, checkpoints, Ctrl-C, early stopping."""

import json
import math
import os
import signal
import sys
import time

from tqdm import tqdm
from transformers import TrainerCallback

from stages.common.cli import Interrupted, UserError

LOSSES = "FINETUNE_LOSSES"  # environment variable: a file to which each evaluation is added
DIVERGED = "the {} loss at step {} is not a number: lower finetune.learning_rate"


class Progress(TrainerCallback):
    """One line: steps, rate, time left, the last losses."""

    def on_train_begin(self, args, state, control, **_):
        # A log file or a pipe gets a line now and then; a terminal's line is drawn over.
        often = 0.1 if sys.stderr.isatty() else 30
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="finetune",
            unit="step",
            mininterval=often,
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


class Checkpoints(TrainerCallback):
    """A checkpoint every so many minutes, and on Ctrl-C or SIGTERM, after which the run ends."""

    def __init__(self, minutes: float):
        self.seconds, self.interrupted, self.handlers = 60 * minutes, 0, {}

    def on_train_begin(self, args, state, control, **_):
        self.saved = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.handlers[number] = signal.signal(number, self.note)

    def note(self, number: int, _frame) -> None:
        self.interrupted = number
        # Not print: the signal may have come in the middle of one.
        os.write(2, b"\nfinetune: stopping after this step and its checkpoint\n")
        self.restore()  # a second signal stops at once

    def restore(self) -> None:
        while self.handlers:
            signal.signal(*self.handlers.popitem())

    def on_train_end(self, args, state, control, **_):
        self.restore()

    def on_step_end(self, args, state, control, **_):
        if self.interrupted or time.monotonic() - self.saved > self.seconds:
            control.should_save = True
        # A loss that is not logged before a checkpoint is lost to the run that resumes from it.
        control.should_log |= control.should_save

    def on_save(self, args, state, control, **_):
        self.saved = time.monotonic()
        if self.interrupted:
            where = f"interrupted at step {state.global_step} of {state.max_steps}"
            raise Interrupted(
                f"{where}: a checkpoint is kept, run again to resume", self.interrupted
            )


class EarlyStopping(TrainerCallback):
    """Stops after `patience` evaluations without a better loss, and where a loss is no number."""

    def __init__(self, patience: int):
        self.patience = patience

    def on_evaluate(self, args, state, control, **_):
        losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
        if not math.isfinite(losses[-1]):
            raise UserError(DIVERGED.format("validation", state.global_step))
        if len(losses) - 1 - losses.index(min(losses)) >= self.patience:
            control.should_training_stop = True
            control.should_save = False  # a run that resumes from here would train further


class LossFile(TrainerCallback):
    """Adds each evaluation as a line of JSON to the file that `FINETUNE_LOSSES` names, if any."""

    def on_evaluate(self, args, state, control, metrics, **_):
        if path := os.environ.get(LOSSES):
            with open(path, "a", encoding="utf-8") as out:
                line = {"step": state.global_step, "validation_loss": metrics["eval_loss"]}
                out.write(json.dumps(line) + "\n")
