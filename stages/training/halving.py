"""A `transformers.Trainer` that halves a batch that does not fit in memory."""

import torch
from transformers import Trainer

from stages.common.cli import UserError, out_of_memory
from stages.model.allocator import release_memory
from stages.model.sharding import is_sharded
from stages.training.batch_splitting import Batch, select_rows, split_batch
from stages.training.callbacks import LOSS_NOT_FINITE

BATCH_TOO_LARGE = "a batch does not fit in memory: lower finetune.per_device_train_batch_size"


class HalvingTrainer(Trainer):
    select_rows = staticmethod(select_rows)
    # The param to lower where a single row does not fit in memory.
    memory_param = "format_prompts.max_prompt_tokens"
    nats, tokens = 0.0, 0  # of the evaluation so far: the sum of its loss, and its predicted tokens

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.sharded = is_sharded(self.model)

    def step_on(self, model, inputs: Batch, num_items_in_batch) -> torch.Tensor:
        """The loss and the gradients of some rows, in parts where they do not fit in memory.

        The loss is the sum over the rows' tokens divided by the tokens of the complete step. So the
        losses and gradients of the parts add up to those of the whole.
        """
        trained = [p for p in model.parameters() if p.requires_grad]
        before = [None if p.grad is None else p.grad.clone() for p in trained]
        loss = None
        try:
            loss = super().training_step(model, inputs, num_items_in_batch)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        # Here, past the except block, the tensors that the traceback held are free.
        if loss is None:
            for parameter, gradient in zip(trained, before, strict=True):
                parameter.grad = gradient
            loss = self.split_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            message = LOSS_NOT_FINITE.format("training", self.state.global_step + 1)
            raise UserError(message + ", or set model.precision to fp32" * self.args.fp16)
        return loss

    def split_step(self, model, inputs, num_items_in_batch) -> torch.Tensor:
        if num_items_in_batch is None:  # a model whose loss is the batch's own mean: no sum
            raise UserError(BATCH_TOO_LARGE)
        parts = self.parts(inputs)
        return sum(self.step_on(model, part, num_items_in_batch) for part in parts)

    def evaluate_on(self, model, inputs: Batch, *args, **kwargs) -> torch.Tensor:
        loss = None
        try:
            loss, *_ = super().prediction_step(model, inputs, *args, **kwargs)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        if loss is None:
            for part in self.parts(inputs):
                loss = self.evaluate_on(model, part, *args, **kwargs)
        else:
            tokens = len(inputs["labels"])
            self.nats += float(loss) * tokens
            self.tokens += tokens
        return loss

    def parts(self, inputs: Batch) -> tuple[Batch, Batch]:
        """The halves of a batch that does not fit in memory."""
        release_memory()
        rows, width = inputs["input_ids"].shape
        if rows == 1:
            message = f"a row of {width} tokens does not fit in memory:"
            packed = getattr(self.data_collator, "row_tokens", 0)
            param = "finetune.row_tokens" if packed else self.memory_param
            raise UserError(f"{message} lower {param}")
        if self.sharded:  # the others do not know, and would wait for this one to gather weights
            raise UserError(BATCH_TOO_LARGE)
        print(f"finetune: {rows} x {width} tokens do not fit in memory: split", flush=True)
        return split_batch(inputs, self.select_rows)
