"""The device and dtype that training and generation run on."""

import importlib.util
import os
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Hardware:
    """The device that holds the tensors, the dtype of matrix products, and why they were chosen."""

    device: str
    dtype: torch.dtype
    reason: str

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')} ({self.reason})"


def choose_hardware(precision: str = "auto") -> Hardware:
    """The fastest dtype that the hardware multiplies natively, unless `precision` names one.

    A CPU without bf16 instructions emulates bf16 a hundred times slower than fp32. XLA (for a TPU)
    is used if PJRT_DEVICE is set and torch_xla is installed.
    """
    if os.environ.get("PJRT_DEVICE") and importlib.util.find_spec("torch_xla"):
        device = "xla"
    else:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision != "auto":
        dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
        return Hardware(device, dtype, f"precision is {precision}")
    if device == "xla":
        return Hardware(device, torch.bfloat16, f"PJRT_DEVICE is {os.environ['PJRT_DEVICE']}")
    if device == "cuda":
        name = torch.cuda.get_device_name()
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Hardware(device, torch.bfloat16, f"{name} has bf16")
        return Hardware(device, torch.float32, f"{name} has no bf16")
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return Hardware(device, torch.bfloat16, "this CPU has bf16 instructions")
    return Hardware(device, torch.float32, "this CPU has no bf16 instructions")
