"""Prefill: compute the KV cache of the prompts, before the first token is generated."""

import contextlib

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from stages.model.kv_cache import PreallocatedLayer, initial_capacity
from stages.model.text_part import text_decoder

CPU_BATCH = 8  # prompts; a layer's output of so few stays in the CPU's own cache


def prefill(model, input_ids: torch.Tensor, attention_mask: torch.Tensor, new_tokens: int) -> Cache:
    """The KV cache of prompts (rows, tokens) that are padded on the left where the mask is 0.

    It has capacity for some of the `new_tokens` to come. A CPU processes a few prompts at a time,
    each batch without the padding that only longer prompts need.
    """
    config = model.config.get_text_config(decoder=True)
    rows, width = input_ids.shape
    capacity = initial_capacity(width, new_tokens)
    cache = DynamicCache(config=config)
    cache.layers = [PreallocatedLayer(rows, width, capacity) for _ in cache.layers]
    size = CPU_BATCH if model.device.type == "cpu" else rows
    for start in range(0, rows, size):
        batch = slice(start, start + size)
        padding = min(int((attention_mask[batch].sum(0) == 0).sum()), width - 1)
        mask = attention_mask[batch, padding:]
        part = DynamicCache(config=config)
        part.layers[-1] = LastLayer()
        with contextlib.suppress(CacheComplete):
            text_decoder(model)(
                input_ids=input_ids[batch, padding:],
                attention_mask=mask,
                position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
                past_key_values=part,
                use_cache=True,
            )
        for layer, states in zip(cache.layers, part.layers, strict=True):
            layer.write(batch, padding, states.keys, states.values)
    return cache


class CacheComplete(Exception):
    """All keys and values are computed: the rest of the forward pass is not needed."""


class LastLayer(DynamicLayer):
    """The cache's last layer, which stops the forward pass once it has its keys and values."""

    def update(self, *args, **kwargs) -> None:
        super().update(*args, **kwargs)
        raise CacheComplete
