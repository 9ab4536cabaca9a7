"""The base model or the tuned one, ready to generate."""

from pathlib import Path

from stages.model.hardware import Hardware
from stages.model.loading import load_base, load_tuned
from stages.model.prepacked import prepack
from stages.model.sharding import shard


def load_for_inference(
    base: Path, adapter: Path | None, quantization: str, hardware: Hardware, fsdp: bool = False
):
    """The model that generates, with an adapter or without, in shards if `fsdp`."""
    model = load_base(base, quantization, hardware, fsdp)
    if adapter:
        model = load_tuned(model, adapter)
    # Shards are the last step: an adapter is merged into complete weights.
    return (shard(model, hardware) if fsdp else prepack(model)).eval()
