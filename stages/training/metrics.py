"""Metrics of a training run: losses, amounts, speed, memory."""

import resource
import sys
from pathlib import Path

import torch

from stages.common.atomic_io import atomic_write, write_json

Point = tuple[int, float]  # step and loss


def losses(state, key: str) -> list[Point]:
    """What a `TrainerState` has logged; `key` is `loss` or `eval_loss`."""
    return [(row["step"], row[key]) for row in state.log_history if key in row]


def so_far(state) -> dict[str, float]:
    """What can be said of a training at any time; `validation_loss` is the best one."""
    figures: dict[str, float] = {}
    if validation := losses(state, "eval_loss"):
        figures["validation_loss"] = round(min(loss for _, loss in validation), 6)
    # A logged loss is the mean over the steps since the previous log.
    total, start = 0.0, 0
    for step, loss in losses(state, "loss"):
        total += loss * (step - start)
        start = step
    if start:
        figures["train_loss"] = round(total / start, 6)
    return figures | {"steps": state.global_step, "epochs": round(state.epoch, 4)}


def of_training(trainer) -> dict[str, float]:
    """Metrics of the training on references.

    `seconds` and `tokens_per_second` are of this process: after a resume, of the later steps only.
    """
    state = trainer.state
    tokens = int(sum(trainer.train_dataset["length"]) * state.epoch)
    seconds = trainer.seconds
    here = tokens * trainer.steps / state.global_step  # in this process
    return so_far(state) | {
        "tokens": tokens,
        "tokens_per_second": round(here / seconds if seconds else 0.0, 1),
        "seconds": round(seconds, 1),
    }


def of_ranking(trainer) -> dict[str, float]:
    """Metrics of the training on a ranking. `reward` is the mean over the candidates."""
    steps, seconds = trainer.state.global_step, trainer.seconds
    rewards = [reward for row in trainer.train_dataset["rewards"] for reward in row]
    return {
        "candidates": len(rewards),
        "reward": round(sum(rewards) / len(rewards), 6),
        "loss": round(losses(trainer.state, "loss")[-1][1], 6),
        "steps": steps,
        "seconds": round(seconds, 1),
        "validation_loss": round(trainer.evaluate()["eval_loss"], 6),
    }


def of_process(model) -> dict[str, float]:
    """Trainable parameters, and peak memory in gigabytes: the GPU's if there is one."""
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 1e9
    else:  # macOS reports bytes, Linux kilobytes
        unit = 1e9 if sys.platform == "darwin" else 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    trainable = model.num_parameters(only_trainable=True)
    return {"trainable_parameters": trainable, "peak_memory_gb": round(peak, 2)}


def curves(state) -> dict[str, list[Point]]:
    """The logged losses of both splits by step."""
    return {"train": losses(state, "loss"), "validation": losses(state, "eval_loss")}


def ranking_point(figures: dict) -> Point:
    """The validation loss after the ranking, at the step after all steps of both trainings."""
    ranking = figures["ranking"]
    return figures["steps"] + ranking["steps"], ranking["validation_loss"]


def write(folder: Path, figures: dict, points_of: dict[str, list[Point]]) -> None:
    """Write `finetune.json`, and in `plots` a CSV table of the loss by step for each split."""
    for split, points in points_of.items():
        with atomic_write(folder / "plots" / f"{split}_loss.csv") as aside:
            lines = ["step,loss", *(f"{step},{loss:.6f}" for step, loss in points)]
            aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(folder / "finetune.json", figures)


def result_line(figures: dict) -> str:
    """The result as one line for the console."""
    loss = f"validation loss {figures['validation_loss']:.3f}"
    if ranking := figures.get("ranking"):
        loss += f", {ranking['validation_loss']:.3f} after the ranking"
    speed = f"{figures['tokens_per_second']:.0f} tokens/s, {figures['seconds']:.0f} s"
    return f"finetune: {loss}, {speed}, {figures['peak_memory_gb']:.1f} GB at most"
