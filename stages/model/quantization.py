"""Weights that bitsandbytes quantises: how, and what training and sharding need of 4-bit ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.utils import logging

from stages.model.hardware import Hardware

KEPT = ("compress_statistics", "quant_type")  # what peft reads off the weights


def quantization_options(quantization: str, hardware: Hardware) -> dict[str, BitsAndBytesConfig]:
    """No entry for none: transformers would take None over what a saved quantised model says."""
    if quantization == "none":
        return {}
    if quantization == "int8":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=hardware.dtype,
    )
    return {"quantization_config": config}


def four_bit_layers(module: nn.Module) -> list[nn.Module]:
    found = (m for m in module.modules() if isinstance(m, nn.Linear))
    return [m for m in found if hasattr(m.weight, "quant_state")]


def dense_bytes(module: nn.Module, dtype: torch.dtype) -> int:
    """What the 4-bit weights would take as dense ones."""
    layers = four_bit_layers(module)
    return sum(layer.in_features * layer.out_features for layer in layers) * dtype.itemsize


def dequantize(model: nn.Module) -> None:
    """Turn the quantised weights into dense ones of the values that they stand for, in place."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # it tells the dtype
    try:
        model.dequantize()
    finally:
        logging.set_verbosity(level)
    model.is_quantized = False
    model._weight_conversions = None  # or they would be saved as if they were quantised


def keep_layout(model: nn.Module) -> None:
    """Let no layer repack its weights for a CPU's inference: no gradient passes the packed ones."""
    for layer in four_bit_layers(model):
        layer.support_avx512bf16_for_cpu = False


@contextmanager
def replaced_weights(module: nn.Module) -> Iterator[None]:
    """Weights that replace the layers' own in this block get what peft reads off them.

    What is needed to compute with them, `quant_state`, is an attribute of the layer too.
    """
    weights = {layer: layer.weight for layer in four_bit_layers(module)}
    yield
    for layer, weight in weights.items():
        for name in KEPT:
            setattr(layer.weight, name, getattr(weight, name))
