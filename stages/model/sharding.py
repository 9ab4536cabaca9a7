"""A base model that one GPU cannot hold, sharded over the processes by PyTorch's FSDP2.

Each process holds a part of every layer. The processes gather a layer's weights when they compute
it, and free them afterwards. LoRA's matrices are in no shard: they are trained, summed and saved as
they are without sharding.

All processes gather together, so all must run the model equally often, even one without rows.
"""

from collections import Counter

from peft import PeftModel
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from stages.common.cli import UserError, is_of_machine
from stages.model import processes
from stages.model.base_config import first_line
from stages.model.hardware import Hardware
from stages.model.quantization import four_bit_layers, keep_layout, replaced_weights
from stages.model.text_part import text_decoder
from stages.model.tolerance import kind


def check_sharding(quantization: str, hardware: Hardware) -> None:
    """Raise a `UserError` where `run.fsdp` does not go with the other params or the hardware."""
    if processes.size() == 1:
        raise UserError(
            "run.fsdp is true, but one process runs alone: set run.launch, such as to torchrun"
            " --nproc_per_node 2, or run.fsdp to false"
        )
    if quantization == "int8":
        raise UserError("run.fsdp is true, but int8 has no shards: set model.quantization to nf4")
    if hardware.device not in ("cpu", "cuda"):
        raise UserError(
            f"run.fsdp is true, which does not go on {hardware.device}: set it to false"
        )


def shard(model: nn.Module, hardware: Hardware) -> nn.Module:
    """Freeze a model, shard it in place, and move it from the CPU to the device.

    The device never holds more than this process's shards and one complete layer. In no shard are
    weights that several layers share (tied embeddings), and those that see. A `UserError` says why
    a model cannot be sharded.
    """
    if getattr(model, "is_quantized", False) and not four_bit_layers(model):
        raise UserError(
            "run.fsdp is true, but the base model is quantised otherwise than nf4: choose the dense"
            " one in fetch.model, with model.quantization nf4"
        )
    keep_layout(model)
    model.requires_grad_(False)
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    parts = [*layers(base), base.get_input_embeddings(), base.get_output_embeddings()]
    parts = [part for part in parts if part is not None]
    complete = complete_parameters(base, parts)
    options = {
        "mesh": init_device_mesh(hardware.device, (processes.size(),)),
        "ignored_params": complete,
        # Also the decoder's own: saving a checkpoint frees them, which one process does alone.
        "reshard_after_forward": True,
    }
    try:
        for part in [*parts, root_of(base)]:
            with replaced_weights(part):
                fully_shard(part, **options)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        if is_of_machine(error):
            raise
        raise UserError(
            f"run.fsdp is true, but the base model ({kind(model)}) has no shards:"
            f" {first_line(error)}"
        ) from error
    for tensor in (*complete, *model.buffers()):
        tensor.data = tensor.data.to(hardware.device)
    return model


def complete_parameters(model: nn.Module, parts: list[nn.Module]) -> set[nn.Parameter]:
    """Those that no shard can hold, or that compute no text."""
    users = Counter(p for part in parts for p in set(part.parameters()))
    text = {*users, *text_decoder(model).parameters()}
    return {p for p in model.parameters() if users[p] > 1 or p.ndim == 0 or p not in text}


def root_of(model: nn.Module) -> nn.Module:
    """The module that runs before all others do: a model that also sees embeds the tokens itself."""
    decoder, whole = text_decoder(model), model.base_model
    return decoder if {*decoder.parameters()}.issuperset(whole.parameters()) else whole


def layers(model: nn.Module) -> nn.ModuleList:
    """The layers of the text decoder."""
    count = model.config.get_text_config(decoder=True).num_hidden_layers
    lists = (m for m in text_decoder(model).modules() if isinstance(m, nn.ModuleList))
    found = next((one for one in lists if len(one) == count), None)
    if found is None:
        raise UserError(
            f"run.fsdp is true, but the layers of {kind(model)} are not found: set it to false"
        )
    return found


def held(model: nn.Module) -> tuple[int, int]:
    """Bytes of the frozen weights: in this process, and of the complete model."""
    frozen = [p for p in model.parameters() if not p.requires_grad]
    here = sum((p.to_local() if isinstance(p, DTensor) else p).nbytes for p in frozen)
    return here, sum(p.numel() * p.element_size() for p in frozen)


def is_sharded(model: nn.Module) -> bool:
    return any(isinstance(module, FSDPModule) for module in model.modules())
