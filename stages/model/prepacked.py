"""Linear layers whose weights already lie as oneDNN multiplies them: inference in bf16 on a CPU.

Otherwise every product lays them out anew, which takes half of its time for one row and a sixth
for 84 (`benchmarks/README.md`).
"""

import torch
from torch import nn


class Prepacked(nn.Module):
    """An `nn.Linear` for inference, through the operators that PyTorch's compiler uses for it."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


def prepack(model: nn.Module) -> nn.Module:
    """The same model, its dense bf16 layers on a CPU replaced; it can no longer train or be saved.

    Nothing is replaced where oneDNN has no bf16.
    """
    mkldnn = torch.backends.mkldnn.is_available() and torch.ops.mkldnn
    if mkldnn and mkldnn._is_mkldnn_bf16_supported():
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if type(child) is nn.Linear and suits(child.weight):
                    setattr(parent, name, Prepacked(child))
    return model


def suits(weight: torch.Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16
