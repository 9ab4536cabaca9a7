"""Attention in blocks for long rows of several dialogues, by PyTorch's FlexAttention on a GPU.

A row of n tokens has n² pairs, and most of them are of different dialogues. Here the mask is a list
of the blocks that hold any visible pair: no other block is computed, and no n × n mask is stored.
"""

from functools import wraps

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from stages.model.hardware import Hardware

BLOCKS = "blocks"  # the name under which transformers knows this attention
BLOCK = 128  # tokens; FlexAttention's own default
MIN_ROW_TOKENS = 4096  # shorter rows get a dense mask: what a GPU gains there is not measured


def wants_blocks(row_tokens: int, hardware: Hardware) -> bool:
    """Whether rows of so many tokens are worth it. Its kernels are a GPU's, and for half precision."""
    return row_tokens >= MIN_ROW_TOKENS and hardware.device == "cuda" and hardware.autocast


def block_mask(segment: torch.Tensor, dialogue: torch.Tensor) -> BlockMask:
    """The mask of rows as `shared_prefix.Collator` packs them; both are ids (rows, length).

    Built where the ids are, without waiting for a GPU.
    """
    rows, length = segment.shape

    def visible(row, _head, query, key):
        same_dialogue = dialogue[row, query] == dialogue[row, key]
        shared = (segment[row, key] == 0) | (segment[row, query] == segment[row, key])
        return (query >= key) & same_dialogue & shared

    size = {"B": rows, "H": None, "Q_LEN": length, "KV_LEN": length, "BLOCK_SIZE": BLOCK}
    return create_block_mask(visible, **size, device=segment.device)


def block_attention(
    module, query, key, value, attention_mask, **others
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """FlexAttention under a `BlockMask`, PyTorch's fused attention under any other mask.

    The signature is that of transformers' `AttentionInterface`. A `ValueError` for a model that drops
    attention weights in training.
    """
    if not isinstance(attention_mask, BlockMask):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **others)
    # A quantised layer returns another dtype than autocast's.
    device = query.device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else value.dtype
    query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    return flex_attention_forward(module, query, key, value, attention_mask, **others)


def use_blocks(model) -> None:
    """Give the model this attention, and a forward that takes the ids of a batch for its mask."""
    forward = model.forward

    @wraps(forward)
    def forward_with_blocks(*args, segment=None, dialogue=None, **kwargs):
        if segment is not None:
            kwargs["attention_mask"] = block_mask(segment, dialogue)
        return forward(*args, **kwargs)

    model.forward = forward_with_blocks
    model.set_attn_implementation(BLOCKS)


AttentionInterface.register(BLOCKS, block_attention)
AttentionMaskInterface.register(BLOCKS, sdpa_mask)
