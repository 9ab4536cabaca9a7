"""The device and dtype that training and generation run on."""

import importlib.util
import os
import sys
from dataclasses import dataclass

import torch

from stages.common.cli import UserError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True)
class Hardware:
    """The device that holds the tensors, the dtype of matrix products, and why they were chosen."""

    device: str
    dtype: torch.dtype
    reason: str

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')} ({self.reason})"

    @property
    def autocast(self) -> bool:
        """Whether training multiplies in `dtype` and keeps what it trains in fp32. XLA does all in
        `dtype`: there, fused attention does not take two dtypes."""
        return self.dtype != torch.float32 and self.device != "xla"


def choose_hardware(precision: str = "auto") -> Hardware:
    """The fastest dtype that the hardware multiplies natively, unless `precision` names one.

    A CPU without bf16 instructions emulates bf16 a hundred times slower than fp32. XLA (for a TPU)
    is used if PJRT_DEVICE is set and torch_xla is installed. A `UserError` where the device does
    not have the precision that is asked for.
    """
    device = choose_device()
    if device == "cuda":
        torch.zeros(1, device=device).add_(1)  # a GPU that PyTorch has no code for fails here
        count = torch.cuda.device_count()
        if count > 1:
            launch = f"run.launch: torchrun --nproc_per_node {count}"
            print(f"one of {count} GPUs is used; all are with {launch}", file=sys.stderr)
    if precision == "auto":
        return Hardware(device, *fastest_dtype(device))
    if precision == "fp16" and device in ("cpu", "xla"):
        raise UserError("model.precision is fp16, which takes a GPU: set it to auto")
    if precision == "bf16" and device == "mps" and not torch.backends.mps.is_macos_or_newer(14, 0):
        raise UserError("model.precision is bf16, which takes macOS 14: set it to auto")
    return Hardware(device, DTYPES[precision], f"precision is {precision}")


def choose_device() -> str:
    if os.environ.get("PJRT_DEVICE") and importlib.util.find_spec("torch_xla"):
        return "xla"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fastest_dtype(device: str) -> tuple[torch.dtype, str]:
    """The dtype, and why."""
    if device == "xla":
        return torch.bfloat16, f"PJRT_DEVICE is {os.environ['PJRT_DEVICE']}"
    if device == "mps":
        return torch.float32, "Apple's GPU, where half precision is not tried"
    if device == "cuda":
        name = torch.cuda.get_device_name()
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, f"{name} has bf16"
        return torch.float16, f"{name} has no bf16; training scales the loss"
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return torch.bfloat16, "this CPU has bf16 instructions"
    return torch.float32, "this CPU has no bf16 instructions"
