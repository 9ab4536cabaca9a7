"""How long training takes here: some steps of it, measured on the base model."""

import time
from pathlib import Path

from stages.params import Params
from tools.inspect.look import Look

MOST = 15  # seconds of steps, the first one apart
STEPS = 12


def seconds_of_training(look: Look, base: Path, params: Params, dialogues: int) -> float:
    """Seconds for `dialogues` and all epochs, without a ranking, by a few steps with the params."""
    import torch

    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_tokenizer
    from stages.model.tokenization import prompt_frame, tokenize_prompt, tokenize_summary
    from stages.training.lora import load_lora
    from stages.training.shared_prefix import build_row

    hardware = choose_hardware(params.model.precision)
    tokenizer = load_tokenizer(base, params.format_prompts.chat_template)
    knobs, size = params.format_prompts, params.finetune.per_device_train_batch_size
    frame = prompt_frame(tokenizer, knobs)
    rows = []
    for row in look.prompts["train"].head(size * STEPS).iter_rows(named=True):
        summaries = [tokenize_summary(tokenizer, text, knobs) for text in row["references"]]
        fitting = [ids for ids in summaries if len(ids) <= params.finetune.max_summary_tokens]
        if fitting:
            prompt = tokenize_prompt(tokenizer, row["conversation"], knobs, frame)
            rows.append(build_row(prompt, fitting))
    model = load_lora(base, params, hardware).train()
    collate = model.rows.collator(params.finetune.row_tokens)
    done, seconds, started = 0, 0.0, time.monotonic()
    batches = [rows[i : i + size] for i in range(0, len(rows), size)]
    for number, batch in enumerate([batches[0], *batches]):
        began = time.monotonic()
        inputs = {name: values.to(model.device) for name, values in collate(batch).items()}
        with torch.autocast(model.device.type, hardware.dtype, enabled=hardware.autocast):
            model(**inputs).loss.backward()
        if hardware.device == "cuda":
            torch.cuda.synchronize()
        if number:  # the first step compiles
            done, seconds = done + len(batch), seconds + time.monotonic() - began
        if number and time.monotonic() - started > MOST:
            break
    return seconds / done * dialogues * params.finetune.num_train_epochs
