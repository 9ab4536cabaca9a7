"""Add an adapter to a base model that is loaded whole: for what cannot be merged by its files."""

from pathlib import Path


def merge_in_memory(base: Path, adapter: Path, dtype, folder: Path):
    """Write the merged weights to `folder` in `dtype`; returns the model's config.

    Takes four bytes for each parameter, and the adapter.
    """
    import torch

    from stages.model.hardware import Hardware
    from stages.model.loading import load_dense, load_tuned

    # Merged in fp32, then rounded once: a small update would vanish in a sum of bf16 numbers.
    hardware = Hardware("cpu", torch.float32, "merged exactly")
    model = load_dense(base, hardware)
    model = load_tuned(model, adapter).to(dtype)
    model.save_pretrained(folder)
    return model.config
