"""A layer of the KV cache that is allocated ahead of the tokens to come."""

import torch
from torch import nn
from transformers.cache_utils import DynamicLayer

# CPU kernels are compiled for each new length, so the cache takes few different ones.
PAD_TO_MULTIPLE_OF = 64


class PreallocatedLayer(DynamicLayer):
    """Keys and values (rows, heads, capacity, head size), of which the first `length` are valid.

    `DynamicLayer` copies the cache for each new token. This one writes the token in place, and
    copies only when `ensure_capacity` needs more memory. Attention gets the full capacity, with the
    rest masked: a CPU's matrix product would copy a slice first.
    """

    def __init__(self, rows: int, length: int, capacity: int):
        super().__init__()
        self.rows, self.length, self.capacity = rows, length, capacity

    def write(self, rows: slice, start: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Store the states of the tokens from `start` on, for some rows."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            self.keys, self.values = (
                new.new_zeros(self.rows, new.shape[1], self.capacity, new.shape[3])
                for new in (keys, values)
            )
        end = start + keys.shape[2]
        self.keys[rows, :, start:end], self.values[rows, :, start:end] = keys, values

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_, **__) -> tuple:
        self.write(slice(None), self.length, key_states, value_states)
        self.length += key_states.shape[2]
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return self.length

    def ensure_capacity(self, length: int) -> int:
        """Grow to at least `length` tokens; returns the capacity."""
        missing = round_up(length) - self.keys.shape[2]
        if missing > 0:
            both = self.keys, self.values
            self.keys, self.values = (nn.functional.pad(old, (0, 0, 0, missing)) for old in both)
        return self.keys.shape[2]

    def select_rows(self, rows: torch.Tensor) -> None:
        """Drop the rows where `rows` is False."""
        self.keys, self.values = self.keys[rows], self.values[rows]


def round_up(length: int) -> int:
    """The next multiple of `PAD_TO_MULTIPLE_OF`."""
    return -(-length // PAD_TO_MULTIPLE_OF) * PAD_TO_MULTIPLE_OF


def initial_capacity(length: int, new_tokens: int) -> int:
    """For a prompt and the first of its new tokens. The rest may never come, so it is added later."""
    return round_up(length + min(new_tokens, PAD_TO_MULTIPLE_OF))
