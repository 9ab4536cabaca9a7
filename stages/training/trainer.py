"""A trainer that resumes, and whose processes share out the rows of each step.

An interrupted run resumes from its last checkpoint and ends with the same weights, bit for bit.
"""

import math
import time
from pathlib import Path

import torch
from peft.helpers import disable_input_dtype_casting
from transformers import PrinterCallback
from transformers.trainer_utils import EvalLoopOutput

from stages.common.atomic_io import disk_errors, remove
from stages.common.cli import UserError
from stages.common.resuming import mark_complete
from stages.model import processes
from stages.model.hardware import Hardware
from stages.params import Params
from stages.training.arguments import training_arguments
from stages.training.batch_splitting import Batch, share
from stages.training.checkpoints import last_checkpoint
from stages.training.halving import HalvingTrainer
from stages.training.lora_product import use_one_product
from stages.training.sampler import EpochSampler


class ResumableTrainer(HalvingTrainer):
    def __init__(self, **kwargs):
        folder = Path(kwargs["args"].output_dir)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        super().__init__(**kwargs)
        self.remove_callback(PrinterCallback)
        use_one_product(self.model)
        # Of this process only: a resumed run did its earlier steps in another one.
        self.seconds, self.steps = 0.0, 0

    def train_to_end(self) -> None:
        """Train from the last checkpoint in the output folder, or from the start."""
        folder, started = Path(self.args.output_dir), time.monotonic()
        last = processes.from_first(last_checkpoint(folder) if processes.is_first() else None)
        # peft would copy each input to fp32, though autocast then multiplies in half of it.
        with disable_input_dtype_casting(self.model, active=self.args.bf16 or self.args.fp16):
            self.train(resume_from_checkpoint=str(last) if last else None)
        self.seconds = time.monotonic() - started
        first = int(last.name.partition("-")[2]) if last else 0
        self.steps = self.state.global_step - first

    def _get_train_sampler(self, train_dataset=None) -> EpochSampler:
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        lengths = list(self.train_dataset["length"])
        return EpochSampler(size, lengths, self.args.seed, lambda: int(self.state.epoch or 0))

    def _save_checkpoint(self, model, trial) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if processes.is_first():
            try:
                with disk_errors(folder):
                    super()._save_checkpoint(model, trial)
                    mark_complete(folder)
            except UserError:
                remove(folder)
                raise
        best = processes.from_first(self.state.best_model_checkpoint)  # and wait until it is there
        self.state.best_model_checkpoint = best

    def get_batch_samples(self, *args) -> tuple:
        """The batches of a step, complete in every process, and the tokens that they predict."""
        self.rows_seen, self.step_loss = 0, 0.0
        return super().get_batch_samples(*args)

    def my_rows(self, inputs: Batch) -> tuple[Batch | None, bool]:
        """The rows of a batch that this process computes, and whether they count.

        The processes take turns at the rows, over the step's batches. A sharded model takes all of
        them: one without rows computes another's, which then do not count.
        """
        count, first = processes.size(), processes.rank() - self.rows_seen
        self.rows_seen += len(inputs["input_ids"])
        if count == 1:
            return inputs, True
        mine = share(inputs, first % count, count, self.select_rows)
        if mine is None and self.sharded:
            return self.select_rows(inputs, slice(0, 1)), False
        return mine, True

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """The loss of a batch; its gradients are added to those of the step's earlier batches.

        With several processes, the step's last batch adds up their losses and their gradients.
        """
        mine, count = self.my_rows(inputs)
        if mine is None:
            loss = torch.zeros((), device=self.args.device)
        else:  # divided by infinity, the loss and its gradients are 0
            loss = self.step_on(model, mine, num_items_in_batch if count else math.inf)
        if processes.size() == 1:
            return loss
        self.step_loss = self.step_loss + loss.detach().clone()
        if not self.accelerator.sync_gradients:
            return torch.zeros_like(loss)
        trained = [p for p in model.parameters() if p.requires_grad]
        for parameter in trained:
            if parameter.grad is None:  # all rows of the step are other processes'
                parameter.grad = torch.zeros_like(parameter)
        processes.add_up([self.step_loss, *(parameter.grad for parameter in trained)])
        return self.step_loss

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs) -> EvalLoopOutput:
        """Its loss is the mean over predicted tokens; that of `Trainer` is the mean over batches."""
        self.rows_seen, self.nats, self.tokens = 0, 0.0, 0
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        nats, tokens = map(sum, zip(*processes.gather((self.nats, self.tokens)), strict=True))
        output.metrics[f"{metric_key_prefix}_loss"] = nats / tokens
        return output

    def prediction_step(self, model, inputs, *args, **kwargs) -> tuple:
        """The mean loss of a batch, which is also added to that of the evaluation."""
        mine, count = self.my_rows(inputs)
        if mine is None:
            return torch.zeros((), device=self.args.device), None, None
        before = self.nats, self.tokens
        loss = self.evaluate_on(model, mine, *args, **kwargs)
        if not count:
            self.nats, self.tokens = before
        return loss, None, None


def make_trainer(
    model, data: tuple, params: Params, hardware: Hardware, folder: Path, callbacks: list
) -> ResumableTrainer:
    """The trainer on references; `data` is train and validation, `folder` gets the checkpoints."""
    return ResumableTrainer(
        model=model,
        args=training_arguments(params, hardware, folder, len(data[0])),
        train_dataset=data[0],
        eval_dataset=data[1],
        data_collator=model.rows.collator(params.finetune.row_tokens),
        callbacks=callbacks,
    )
