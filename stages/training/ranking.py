"""Training on a ranking: the adapter continues on its own candidates, and prefers the better ones.

References teach only what one annotator happened to write. A ranking teaches which of the summaries
that the model is about to choose from are the nearest to all references (BRIO, Liu et al. 2022,
https://arxiv.org/abs/2203.16804).
"""

import gc
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel

from stages.common.atomic_io import disk_errors
from stages.common.resuming import is_complete, mark_complete
from stages.model import processes
from stages.model.hardware import Hardware
from stages.params import Params
from stages.training.adapter import save_weights
from stages.training.arguments import training_arguments
from stages.training.callbacks import training_callbacks
from stages.training.checks import check_weights
from stages.training.lora import load_frozen
from stages.training.ranking_dataset import sample_ranking_dataset
from stages.training.ranking_loss import RankingCollator, ranking_loss, select_ranking_rows
from stages.training.trainer import ResumableTrainer

START = "start"  # in the folder of checkpoints: the adapter that the ranking starts from


class RankingTrainer(ResumableTrainer):
    """Trains on rows with candidates. It evaluates on references alone, as its parent does."""

    select_rows = staticmethod(select_ranking_rows)
    memory_param = "finetune.ranking.candidates"

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The mean over the step's dialogues, each weighted by its number of predicted tokens."""
        if "rewards" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        row, summary, rewards = (inputs.pop(key) for key in ("row", "summary", "rewards"))
        labels = inputs.pop("labels")
        inputs.pop("shift_labels")
        logits = model(**inputs).logits.view(len(labels), -1)
        logp = -torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
        tokens = torch.bincount(row, minlength=len(rewards))
        return (ranking_loss(logp, row, summary, rewards) * tokens).sum() / num_items_in_batch


def save_start(model: PeftModel, folder: Path) -> None:
    """Save the adapter that `train` starts from, unless an earlier run has saved it."""
    start = folder / START
    if processes.is_first() and not is_complete(start):
        with disk_errors(folder):
            save_weights(model, start)
            mark_complete(start)
    processes.wait_for_all()


def train(
    data: tuple[Dataset, Dataset],
    tokenizer,
    params: Params,
    hardware: Hardware,
    base: Path,
    folder: Path,
) -> RankingTrainer:
    """Train the adapter that `save_start` saved in `folder`, or resume; returns the trainer.

    `data` are the rows of train and validation, see `stages.training.dataset`.
    """
    gc.collect()  # the first model is in reference cycles, and its memory is needed
    knobs, start = params.finetune, folder / START
    rows = sample_ranking_dataset(
        data[0], tokenizer, params, hardware, base, start, folder / "candidates.jsonl"
    )
    model = PeftModel.from_pretrained(
        load_frozen(base, params, hardware), str(start), is_trainable=True
    )
    changes = {"learning_rate": knobs.ranking.learning_rate, "num_train_epochs": 1}
    one_epoch = params.model_copy(
        update={"finetune": knobs.model_copy(update=changes | {"evals_per_epoch": 1})}
    )
    arguments = training_arguments(one_epoch, hardware, folder, len(rows))
    # The last weights are the result: the ranking raises the loss on references, so that loss
    # cannot choose the best checkpoint.
    arguments.run_name += "-ranking"
    arguments.eval_strategy, arguments.load_best_model_at_end = "no", False
    trainer = RankingTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=data[1],
        data_collator=RankingCollator(mask=model.rows.mask),
        callbacks=training_callbacks(params),
    )
    trainer.train_to_end()
    check_weights(model)
    return trainer
