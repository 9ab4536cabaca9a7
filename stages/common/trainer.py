"""`transformers.Trainer` for a run that may be cut off at any moment and must not end in nonsense.

Cut off, it goes on from a checkpoint to the same weights, bit for bit. A batch that does not fit in
memory is halved. A loss that is no number ends the run.
"""

import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from peft.helpers import disable_input_dtype_casting
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback

from stages.common.checkpoints import seal
from stages.common.cli import UserError, out_of_memory
from stages.common.files import remove, writing
from stages.common.halving import halves

POOL = 50  # steps' dialogues are drawn at once and sorted by length
DIVERGED = "the {} loss at step {} is not a number: lower finetune.learning_rate"


class EpochSampler(Sampler):
    """Dialogues of like length to a step, steps in any order; the seed and the epoch alone decide.

    Nothing may hang on torch's global state, which a run that goes on in a later epoch has not
    brought to where the first run had it. `LengthGroupedSampler` of `transformers` would leave
    each pool's steps in the order of their lengths.
    """

    def __init__(self, step: int, lengths: list[int], seed: int):
        self.step, self.lengths, self.seed, self.epoch = step, torch.tensor(lengths), seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        steps = []
        for pool in torch.randperm(len(self), generator=generator).split(POOL * self.step):
            by_length = self.lengths[pool].argsort(stable=True)
            steps += pool[by_length].split(self.step)
        short = [steps.pop()] if len(steps[-1]) < self.step else []  # no step can come after it
        shuffled = [steps[i] for i in torch.randperm(len(steps), generator=generator)]
        return iter(torch.cat(shuffled + short).tolist())


class ResumableTrainer(Trainer):
    halves = staticmethod(halves)
    smaller = "format_prompts.max_prompt_tokens"  # the param to lower where no half is left

    def __init__(self, *, patience: int, checkpoint_minutes: float, **kwargs):
        super().__init__(**kwargs)
        self.add_callback(Watch(self, patience, checkpoint_minutes))

    def train(self, **kwargs):
        # Autocast gives LoRA's products their dtype; peft would first copy each input to fp32.
        with disable_input_dtype_casting(self.model, active=self.args.bf16):
            return super().train(**kwargs)

    def _get_train_sampler(self, train_dataset=None) -> EpochSampler:
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self.sampler = EpochSampler(size, list(self.train_dataset["length"]), self.args.seed)
        return self.sampler

    def _save_checkpoint(self, model, trial) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            with writing(folder):
                super()._save_checkpoint(model, trial)
                seal(folder)
        except UserError:
            remove(folder)
            raise

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """The loss of a batch, its gradients added to those of the step's other batches.

        The loss is the sum over the batch's tokens divided by the tokens of the whole step, so that
        halves add up to what the batch would have given.
        """
        trained = [p for p in model.parameters() if p.requires_grad]
        before = [None if p.grad is None else p.grad.clone() for p in trained]
        loss = None
        try:
            loss = super().training_step(model, inputs, num_items_in_batch)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        if loss is None:  # only here are the tensors free that the error's traceback held
            for parameter, gradient in zip(trained, before, strict=True):
                parameter.grad = gradient
            loss = self.in_halves(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise UserError(DIVERGED.format("training", self.state.global_step + 1))
        return loss

    def in_halves(self, model, inputs, num_items_in_batch) -> torch.Tensor:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        rows, width = inputs["input_ids"].shape
        parts = self.halves(inputs)
        if parts is None or num_items_in_batch is None:
            message = f"a row of {width} tokens does not fit in memory:"
            raise UserError(f"{message} lower {self.smaller}")
        print(f"finetune: {rows} x {width} tokens do not fit in memory: halved", flush=True)
        return sum(self.training_step(model, part, num_items_in_batch) for part in parts)


class Watch(TrainerCallback):
    """Saves by the clock and on SIGTERM or Ctrl-C, and stops a run that no longer gets better."""

    def __init__(self, trainer: ResumableTrainer, patience: int, minutes: float):
        self.trainer, self.patience, self.seconds = trainer, patience, 60 * minutes
        self.interrupted, self.handlers = False, {}

    def on_train_begin(self, args, state, control, **_):
        self.saved = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.handlers[number] = signal.signal(number, self.note)

    def note(self, *_) -> None:
        self.interrupted = True
        # Not print: the signal may have come in the middle of one.
        os.write(2, b"\nfinetune: stopping after this step and its checkpoint\n")
        self.restore()  # a second signal stops at once

    def restore(self) -> None:
        while self.handlers:
            signal.signal(*self.handlers.popitem())

    def on_train_end(self, args, state, control, **_):
        self.restore()

    def on_epoch_begin(self, args, state, control, **_):
        self.trainer.sampler.epoch = int(state.epoch or 0)

    def on_step_end(self, args, state, control, **_):
        if self.interrupted or time.monotonic() - self.saved > self.seconds:
            control.should_save = True
        # A loss not logged before a checkpoint is lost to the run that goes on from it.
        control.should_log |= control.should_save

    def on_evaluate(self, args, state, control, **_):
        losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
        if not math.isfinite(losses[-1]):
            raise UserError(DIVERGED.format("validation", state.global_step))
        if len(losses) - 1 - losses.index(min(losses)) >= self.patience:
            control.should_training_stop = True
            control.should_save = False  # a run that goes on from here would train further

    def on_save(self, args, state, control, **_):
        self.saved = time.monotonic()
        if self.interrupted:
            where = f"step {state.global_step} of {state.max_steps}"
            raise UserError(f"interrupted at {where}: a checkpoint is kept, run again to go on")
