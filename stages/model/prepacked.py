"""Linear layers with prepacked weights: faster inference in bf16 on a CPU.

oneDNN multiplies weights in a memory layout of its own. Without prepacking, every product converts
them again, which takes half of its time for one row and a sixth for 84 (`benchmarks/README.md`).
"""

import torch
from torch import nn


class PrepackedLinear(nn.Module):
    """An `nn.Linear` for inference, by the operators that `torch.compile` uses for one."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = linear.bias

    @property
    def weight(self) -> torch.Tensor:
        """For models that read a layer's weight past the layer (Mamba)."""
        return self.packed.to_dense()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


def prepack(model: nn.Module) -> nn.Module:
    """Replace the model's dense bf16 layers on a CPU, in place. It cannot be trained or saved then.

    Nothing is replaced where oneDNN has no bf16.
    """
    mkldnn = torch.backends.mkldnn.is_available() and torch.ops.mkldnn
    if mkldnn and mkldnn._is_mkldnn_bf16_supported():
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if type(child) is nn.Linear and is_cpu_bf16(child.weight):
                    setattr(parent, name, PrepackedLinear(child))
    return model


def is_cpu_bf16(weight: torch.Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16
