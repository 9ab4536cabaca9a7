"""The base model or the tuned one, ready to generate."""

from pathlib import Path

import torch

from stages.model.hardware import Hardware
from stages.model.loading import load_base, load_tuned
from stages.model.prepacked import prepack
from stages.model.quantization import dense_bytes, dequantize
from stages.model.sharding import shard

DENSE_SHARE = 0.5  # of a GPU's memory, for dense weights; the rest is for the KV cache


def load_for_inference(
    base: Path, adapter: Path | None, quantization: str, hardware: Hardware, fsdp: bool = False
):
    """The model that generates, with an adapter or without, in shards if `fsdp`.

    4-bit weights turn dense where a GPU is large enough. They have the same values, are not
    unpacked again for each token, and an adapter is merged into them.
    """
    model = load_base(base, quantization, hardware, fsdp)
    if not fsdp and fits_dense(model, hardware):
        dequantize(model)
    if adapter:
        model = load_tuned(model, adapter)
    # Shards are the last step: an adapter is merged into complete weights.
    return (shard(model, hardware) if fsdp else prepack(model)).eval()


def fits_dense(model, hardware: Hardware) -> bool:
    """Whether the model has 4-bit weights, and a GPU is large enough for them as dense ones."""
    if hardware.device != "cuda":
        return False
    _, size = torch.cuda.mem_get_info()  # what is free would differ from run to run
    return 0 < dense_bytes(model, hardware.dtype) <= DENSE_SHARE * size
