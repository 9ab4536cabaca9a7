"""Add an adapter to a base model that is loaded whole: for what cannot be merged by its files."""

import json
from pathlib import Path

from stages.common.cli import UserError

EMBEDDINGS = ("embed_tokens", "lm_head", "wte", "embed_in", "embed_out")


def merge_in_memory(base: Path, adapter: Path, dtype, folder: Path):
    """Write the merged weights to `folder` in `dtype`; returns the model's config.

    Takes four bytes for each parameter, and the adapter. A `UserError` says what does not fit.
    """
    import torch

    from stages.model.hardware import Hardware
    from stages.model.loading import load_dense, load_tuned

    # Merged in fp32, then rounded once: a small update would vanish in a sum of bf16 numbers.
    hardware = Hardware("cpu", torch.float32, "merged exactly")
    model = load_dense(base, hardware)
    if model.config.get_text_config(decoder=True).tie_word_embeddings:
        refuse_embeddings(adapter)
    model = load_tuned(model, adapter).to(dtype)
    model.save_pretrained(folder)
    return model.config


def refuse_embeddings(adapter: Path) -> None:
    """Input and output embeddings are one weight here: what is added to one is added to both."""
    text = (adapter / "adapter_config.json").read_text(encoding="utf-8")
    targets = json.loads(text).get("target_modules") or []
    found = [name for name in EMBEDDINGS if name in targets]
    if found:
        raise UserError(
            f"the adapter is on {', '.join(found)}, which the base model shares between input and"
            " output, and cannot be merged: take it out of finetune.lora.target_modules"
        )
