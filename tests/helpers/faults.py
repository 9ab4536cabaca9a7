"""Faults that a test injects into a stage. Each is a function that patches a module.

The server of forks calls them by name before the stage runs: `forks.run(root, "finetune",
faults=[signal_at(step=5)])`. A fault is a pair of its name and its arguments, to go through JSON.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps

FAULTS: dict[str, Callable] = {}


def fault(function: Callable) -> Callable:
    """Register `function`. Calling it by name returns the description that `forks.run` takes."""
    FAULTS[function.__name__] = function

    @wraps(function)
    def describe(**arguments) -> tuple[str, dict]:
        return function.__name__, arguments

    return describe


def inject(faults: list[tuple[str, dict]]) -> None:
    for name, arguments in faults:
        FAULTS[name](**arguments)


def wrap(owner: object, name: str, around: Callable) -> None:
    """Replace `owner.name` by a function that calls `around(original, *args, **kwargs)`."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: around(original, *args, **kwargs))


@fault
def signal_at(step: int, number: int = signal.SIGTERM, ranking: bool = False) -> None:
    """A signal at the start of the step after `step`, in training or, if `ranking`, in ranking."""
    from stages.training.ranking import RankingTrainer
    from stages.training.trainer import ResumableTrainer

    def training_step(original, self, *args):
        if self.state.global_step == step:
            os.kill(os.getpid(), number)
        return original(self, *args)

    wrap(RankingTrainer if ranking else ResumableTrainer, "training_step", training_step)


@fault
def no_memory_in_training(rows: int, ranked: bool = False) -> None:
    """Batches of more than `rows` rows do not fit in memory; if `ranked`, only those of ranking."""
    from transformers import Trainer

    def training_step(original, self, model, inputs, *args):
        tried = len(inputs.get("rewards", ())) if ranked else len(inputs["input_ids"])
        loss = original(self, model, inputs, *args)  # this adds gradients, which must not count
        if tried > rows:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        return loss

    wrap(Trainer, "training_step", training_step)


@fault
def no_memory_in_generation(rows: int) -> None:
    from stages import generate

    def generate_batch(original, model, tokenizer, prompts, *args):
        if len(prompts) > rows:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        return original(model, tokenizer, prompts, *args)

    wrap(generate, "generate_batch", generate_batch)


@fault
def no_memory_in_a_layer(rows: int) -> None:
    """More than `rows` rows do not fit in the memory of a Llama's layer: others wait for its weights."""
    from transformers.models.llama.modeling_llama import LlamaMLP

    def forward(original, self, states):
        if len(states) > rows:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        return original(self, states)

    wrap(LlamaMLP, "forward", forward)


@fault
def kernel_is_missing() -> None:
    """A library was not built for this GPU, which shows when the base is loaded onto it."""
    import torch
    import transformers

    def from_pretrained(*_, **__):
        raise torch.AcceleratorError("CUDA error: no kernel image is available for execution")

    transformers.AutoModelForCausalLM.from_pretrained = from_pretrained


@fault
def loss_is_nan(step: str) -> None:
    """`step` is the method of the Trainer whose loss is NaN: training_step or prediction_step."""
    from transformers import Trainer

    def nan_loss(original, *args, **kwargs):
        loss = original(*args, **kwargs)
        bad = float("nan")
        return (loss[0] * bad, None, None) if isinstance(loss, tuple) else loss * bad

    wrap(Trainer, step, nan_loss)


@fault
def gradients_are_nan() -> None:
    """Those of every step, while its loss is a number."""
    from transformers import Trainer

    def training_step(original, self, model, *args):
        loss = original(self, model, *args)
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(float("nan"))
        return loss

    wrap(Trainer, "training_step", training_step)


@fault
def killed_at_save() -> None:
    """The process ends at once, with status 9, as soon as a checkpoint is written."""
    from stages.training.callbacks import Checkpoints

    wrap(Checkpoints, "on_save", lambda *_, **__: os._exit(9))


@fault
def optimizer_does_nothing() -> None:
    import torch

    torch.optim.AdamW.step = lambda self, closure=None: None


@fault
def peft_copies_inputs() -> None:
    """peft copies each layer's input to fp32, as it does by default."""
    import contextlib

    from stages.training import trainer

    trainer.disable_input_dtype_casting = lambda model, active: contextlib.nullcontext()


@fault
def stopped_after_batches(count: int, interrupted: bool = False) -> None:
    """After `count` stored batches the process exits with status 9 or, if `interrupted`, gets Ctrl-C."""
    from stages.model import batches

    stored = []

    def append(original, *args):
        original(*args)
        stored.append(1)
        if len(stored) == count:
            os.kill(os.getpid(), signal.SIGINT) if interrupted else os._exit(9)

    wrap(batches, "append", append)


@fault
def few_candidates_per_batch() -> None:
    from stages.training import ranking_dataset

    ranking_dataset.CANDIDATES_PER_BATCH = 9


@fault
def thirty_epochs_of_ranking() -> None:
    """A long training on a ranking alone, which prints its losses."""
    from stages.training import ranking, ranking_loss

    ranking_loss.REFERENCE_WEIGHT = 0.0

    def training_arguments(original, *args):
        arguments = original(*args)
        arguments.num_train_epochs, arguments.logging_steps = 30, 3
        return arguments

    def train_to_end(original, self):
        original(self)
        print("LOSSES", *(row["loss"] for row in self.state.log_history if "loss" in row))

    wrap(ranking, "training_arguments", training_arguments)
    wrap(ranking.RankingTrainer, "train_to_end", train_to_end)
