"""A linear layer and its LoRA matrices as one operation, with a backward pass of its own.

peft computes the adapter beside the layer, scales it and adds it: passes over tensors as large as
the output, each with its like backward and a node in autograd's graph. Here scale and sum are part of
the matrix products (`benchmarks/README.md`). With base weight W and bias, scale s and LoRA's A and B,

    y = x Wᵀ + bias + s (x Aᵀ) Bᵀ
"""

from functools import partial

import torch
from peft.tuners.lora.layer import Linear
from torch import nn

NAME = "default"  # of the adapter, in peft


def use_one_product(model) -> None:
    """Compute so in the layers where peft would add nothing else: dense ones, without dropout."""
    for layer in model.modules():
        if type(layer) is Linear and is_plain(layer):
            layer.forward = partial(forward, layer)


def is_plain(layer: Linear) -> bool:
    base, dropout = layer.base_layer, layer.lora_dropout[NAME]
    return (
        type(base) is nn.Linear
        and type(base.weight) is nn.Parameter
        and not base.weight.requires_grad
        and isinstance(dropout, nn.Identity)
        and not layer.lora_bias[NAME]
        and not layer.lora_variant
    )


def forward(layer: Linear, x: torch.Tensor, *args, **kwargs) -> torch.Tensor:
    if args or kwargs or layer.disable_adapters or layer.merged:
        return Linear.forward(layer, x, *args, **kwargs)
    base, a, b = layer.base_layer, layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
    rows = x.reshape(-1, x.shape[-1])
    y = LoraProduct.apply(rows, base.weight, base.bias, a, b, layer.scaling[NAME])
    # A view that the product made itself could not be changed in place, as Gemma 3n does.
    return y.view(*x.shape[:-1], -1)


class LoraProduct(torch.autograd.Function):
    """`x` is (rows, inputs), `weight` (outputs, inputs), `a` (r, inputs) and `b` (outputs, r)."""

    @staticmethod
    def forward(ctx, x, weight, bias, a, b, scale: float) -> torch.Tensor:
        device = x.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else weight.dtype
        ctx.dtype, ctx.scale = x.dtype, scale
        rows = x.to(dtype)
        weight, a, b = weight.to(dtype), a.to(dtype), b.to(dtype)
        narrow = rows @ a.T
        bias = None if bias is None else bias.to(dtype)
        ctx.save_for_backward(rows, narrow, weight, a, b)
        return nn.functional.linear(rows, weight, bias).addmm_(narrow, b.T, alpha=scale)

    @staticmethod
    def backward(ctx, gradient):
        rows, narrow, weight, a, b = ctx.saved_tensors
        gradient = gradient.to(rows.dtype)
        of_narrow = gradient @ b
        of_a = (of_narrow.T @ rows).float().mul_(ctx.scale)
        of_b = (gradient.T @ narrow).float().mul_(ctx.scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (gradient @ weight).addmm_(of_narrow, a, alpha=ctx.scale).to(ctx.dtype)
        return of_x, None, None, of_a, of_b, None
