"""Attention as plain matrix products, for a CPU.

At the lengths of conversations PyTorch's fused kernel takes two to ten times as long there in bf16,
and in fp32 twice as long where queries are few (`benchmarks/README.md`). It never holds a matrix of
length × length, and so remains for long rows.
"""

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PRODUCTS = "products"
LONGEST = 2048  # tokens
FEW = 32  # queries
SCORES = 2**20  # scores at a time, so that they stay in the CPU's cache


def products(
    module, query, key, value, attention_mask, scaling=None, dropout=0.0, **others
) -> tuple[torch.Tensor, None]:
    """The attention of `query` (rows, heads, length, size) to `key` and `value` (rows, key heads,
    keys, size), as a function that `transformers` takes.

    `attention_mask` (rows, 1, length, keys) is True where a query may look. Returns (rows, length,
    heads, size), and None for the weights.
    """
    (rows, heads, length, size), keys = query.shape, key.shape[2]
    # A quantised layer gives another dtype than the autocast one.
    autocast = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if autocast else value.dtype
    fused = keys > LONGEST or (dtype == torch.float32 and length > FEW)
    if attention_mask is None or fused:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
    query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    outputs, most = [], max(1, SCORES // (heads * length * keys))
    hidden = additive(attention_mask, dtype).expand(rows, -1, -1, -1)
    with torch.autocast("cpu", enabled=False):  # its softmax would be copied to fp32
        query = query * (size**-0.5 if scaling is None else scaling)
        parts = [tensor.split(most) for tensor in (query, key, value, hidden)]
        for q, k, v, hide in zip(*parts, strict=True):
            # Heads that share a key are multiplied with it as one longer matrix.
            k, v = k.flatten(0, 1), v.flatten(0, 1)
            scores = (q.reshape(len(k), -1, size) @ k.mT).view(len(q), heads, length, keys)
            weights = torch.dropout(scores.add_(hide).softmax(-1), dropout, module.training)
            outputs.append((weights.view(len(k), -1, keys) @ v).view(q.shape))
        return torch.cat(outputs).transpose(1, 2).contiguous(), None


def additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where `mask` is True, else the lowest number, kept beside the mask: all layers share it."""
    if getattr(mask, "additive", mask).dtype != dtype:
        mask.additive = torch.zeros_like(mask, dtype=dtype).masked_fill_(
            ~mask, torch.finfo(dtype).min
        )
    return mask.additive


AttentionInterface.register(PRODUCTS, products)
AttentionMaskInterface.register(PRODUCTS, sdpa_mask)
