"""A model soup: the average of what trainings that differ in their seed alone add to the base.

Their mistakes differ too, and the mean has less of them (Wortsman et al. 2022,
https://arxiv.org/abs/2203.05482).
"""

import gc
from pathlib import Path

from peft import PeftModel
from transformers import TrainerState

from stages.common.checkpoints import seal, whole
from stages.common.files import remove, writing
from stages.common.models import load_base
from stages.common.params import Finetune
from stages.common.trainer import ResumableTrainer
from stages.common.training import Run, Task, check_weights, save_adapter, train

STATE = "trainer_state.json"


def train_soup(
    task: Task, members: list[tuple[Finetune, Path]]
) -> tuple[ResumableTrainer, list[Run], float]:
    """Train the members, each in its folder, and average them.

    Returns a trainer with the average, the members' runs and the average's validation loss. A
    member that has finished is kept in its folder, and not trained again by a later process.
    """
    runs, folders = [], [folder for _, folder in members]
    for number, (knobs, folder) in enumerate(members, 1):
        if len(members) > 1:
            print(f"finetune: training {number} of {len(members)}, seed {knobs.seed}", flush=True)
        if len(members) > 1 and whole(folder):
            print(f"finetune: it is done, and kept in {folder}", flush=True)
            runs.append(Run(TrainerState.load_from_json(str(folder / STATE))))
            continue
        trainer, run = train(task, knobs, folder)
        runs.append(run)
        check_weights(trainer.model)
        if len(members) > 1:
            keep(trainer, folder)
            del trainer  # and with it, once its cycles are collected, the model
            gc.collect()
    if len(members) == 1:
        return trainer, runs, min(loss for _, loss in runs[0].losses("eval_loss"))
    trainer = task.trainer(average(task, knobs, folders), knobs, folders[-1])
    return trainer, runs, trainer.evaluate()["eval_loss"]


def keep(trainer: ResumableTrainer, folder: Path) -> None:
    """Write a finished member into its folder, and remove the checkpoints that it came from."""
    with writing(folder):
        save_adapter(trainer.model, folder)
        trainer.state.save_to_json(str(folder / STATE))
        seal(folder)
    for checkpoint in folder.glob("checkpoint-*"):
        remove(checkpoint)


def average(task: Task, knobs: Finetune, folders: list[Path]) -> PeftModel:
    """The base with one adapter, the mean of those in the folders.

    It is exact: the ranks stand side by side, so that its rank is the sum of theirs.
    """
    names = [str(number) for number in range(len(folders))]
    base = load_base(task.base, knobs.quantization, task.hardware)
    model = PeftModel.from_pretrained(base, str(folders[0]), adapter_name=names[0])
    for name, folder in zip(names[1:], folders[1:], strict=True):
        model.load_adapter(str(folder), adapter_name=name)
    shares = [1 / len(names)] * len(names)
    model.add_weighted_adapter(names, shares, "default", combination_type="cat")
    for name in names:
        model.delete_adapter(name)
    model.set_adapter("default")
    return model
