"""TRL's `SFTTrainer` on the benchmark's dialogues: a row a reference, by length or packed."""

import itertools
import tempfile
import time
from importlib.util import find_spec

from benchmarks.gpu_models import synchronize
from benchmarks.qlora_batches import PROMPT, REFERENCE, dialogues

POOL = 400  # dialogues


def timed_steps(model, packed: bool, tokens: int, steps: int) -> list[tuple[float, int, float]]:
    """Steps of training, each with its seconds, useful tokens and floating-point operations.

    Packed rows are kept apart by their positions, in FlexAttention on a GPU.
    """
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from benchmarks.gpu_training import operations

    pairs = [
        (prompt, reference, len(prompt) / len(references) + len(reference))
        for prompt, references in itertools.islice(dialogues(model.config.vocab_size), POOL)
        for reference in references
    ]
    rows = [
        {"input_ids": p + r, "completion_mask": [0] * len(p) + [1] * len(r)} for p, r, _ in pairs
    ]
    share = sum(useful for *_, useful in pairs) / sum(len(row["input_ids"]) for row in rows)
    gpu = torch.cuda.is_available()
    longest = PROMPT[1] + REFERENCE[1]
    options = (
        {"packing": True, "max_length": tokens, "per_device_train_batch_size": 1}
        if packed
        else {
            "per_device_train_batch_size": max(1, tokens // longest),
            "train_sampling_strategy": "group_by_length",
        }
    )
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(),
        max_steps=steps,
        bf16=True,
        use_cpu=not gpu,
        optim="paged_adamw_8bit" if gpu else "adamw_torch",
        gradient_checkpointing=model.is_gradient_checkpointing,
        use_liger_kernel=gpu and find_spec("liger_kernel") is not None,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_steps=10**6,
        **options,
    )
    done = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            synchronize()
            self.started, trainer.seen = time.perf_counter(), 0

        def on_step_end(self, *_, **__):
            synchronize()
            flops = operations(model, trainer.padded, trainer.padded)
            done.append((time.perf_counter() - self.started, round(trainer.seen * share), flops))

    class Counting(SFTTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            ids, mask = inputs["input_ids"], inputs.get("attention_mask")
            self.padded = ids.numel()
            self.seen = self.padded if mask is None else int(mask.sum())
            return super().compute_loss(model, inputs, *args, **kwargs)

    attention = model.config._attn_implementation
    if packed and gpu:
        model.set_attn_implementation("flex_attention")
    trainer = Counting(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
        callbacks=[Clock()],
    )
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train()
    finally:
        model.set_attn_implementation(attention)
    return done


def tokenizer():
    """It pads, and is asked for nothing else: the rows are token ids."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"<pad>": 0, "<unk>": 1, "</s>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", eos_token="</s>"
    )
