"""Attention as plain matrix products, faster than PyTorch's fused kernel on a CPU for conversations.

There the fused kernel takes two to ten times as long in bf16 at these lengths, and twice as long in
fp32 where queries are few (`benchmarks/README.md`). For long rows the fused kernel stays: it never
stores the length × length scores.
"""

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

MATMUL = "matmul"  # the name under which transformers knows this attention
MAX_KEYS = 2048  # for more, the fused kernel
MAX_FP32_QUERIES = 32  # in fp32, for more, the fused kernel
CHUNK_SCORES = 2**20  # scores computed at a time, so that they fit in the CPU's cache


def matmul_attention(
    module, query, key, value, attention_mask, scaling=None, dropout=0.0, **others
) -> tuple[torch.Tensor, None]:
    """Attention with the signature of transformers' `AttentionInterface`.

    `query` is (rows, heads, length, size), `key` and `value` are (rows, key heads, keys, size), and
    `attention_mask` (rows, 1, length, keys) is True where a query may attend. Returns (rows, length,
    heads, size), and None for the weights.
    """
    (rows, heads, length, size), keys = query.shape, key.shape[2]
    # A quantised layer returns another dtype than autocast's.
    autocast = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if autocast else value.dtype
    fused = keys > MAX_KEYS or (dtype == torch.float32 and length > MAX_FP32_QUERIES)
    if attention_mask is None or fused:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
    query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    outputs, chunk_rows = [], max(1, CHUNK_SCORES // (heads * length * keys))
    bias = additive_mask(attention_mask, dtype).expand(rows, -1, -1, -1)
    with torch.autocast("cpu", enabled=False):  # it would compute the softmax in an fp32 copy
        query = query * (size**-0.5 if scaling is None else scaling)
        chunks = [tensor.split(chunk_rows) for tensor in (query, key, value, bias)]
        for q, k, v, b in zip(*chunks, strict=True):
            # Query heads that share a key head are multiplied with it as one longer matrix.
            k, v = k.flatten(0, 1), v.flatten(0, 1)
            scores = (q.reshape(len(k), -1, size) @ k.mT).view(len(q), heads, length, keys)
            weights = torch.dropout(scores.add_(b).softmax(-1), dropout, module.training)
            # The heads of keys and values may differ in size (DeepSeek).
            outputs.append((weights.view(len(k), -1, keys) @ v).view(*q.shape[:3], -1))
        return torch.cat(outputs).transpose(1, 2).contiguous(), None


def additive_mask(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where `mask` is True, else the dtype's minimum. Stored on the mask, which all layers share.

    A mask that is no truth value is additive already (Doge adds weights of its own to it).
    """
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    if getattr(mask, "additive", mask).dtype != dtype:
        mask.additive = torch.zeros_like(mask, dtype=dtype).masked_fill_(
            ~mask, torch.finfo(dtype).min
        )
    return mask.additive


AttentionInterface.register(MATMUL, matmul_attention)
AttentionMaskInterface.register(MATMUL, sdpa_mask)
