"""The rows of decoding with a shared prefix: all sequences of a prompt side by side in one.

`stages.model.decoding` says how.
"""

import torch
from torch import nn
from transformers import Cache

from stages.model.attention import additive_mask
from stages.model.kv_cache import round_up

# Finished prompts are dropped once no more than this share of the rows is active: each time, the
# cache is copied.
MAX_ACTIVE = 0.75


class SharedPrefixDecoder:
    """Hooks on the decoder: `generate` sees a row for each sequence, the decoder one for each prompt.

    A sequence attends to the prompt and to its own earlier tokens. When beams are reordered, only
    the mask changes. A prompt whose searches are over is dropped.
    """

    def __init__(
        self,
        mask: torch.Tensor,
        max_new_tokens: int,
        sequences: int,
        num_beams: int,
        additive: torch.dtype | None = None,
    ):
        self.sequences, self.num_beams, self.additive = sequences, num_beams, additive
        self.length = mask.shape[1]  # tokens in the cache
        # Both are (active rows, sequences, …): positions of 1, masks of the cache's capacity.
        self.position_ids = mask.sum(1, keepdim=True).expand(-1, sequences)
        prompt = mask.bool()[:, None].expand(-1, sequences, -1)
        capacity = round_up(self.length + max_new_tokens * sequences)
        self.mask = nn.functional.pad(prompt, (0, capacity - self.length))
        self.diagonal = torch.eye(sequences, dtype=torch.bool, device=mask.device)
        self.ends = mask.new_zeros(len(mask), sequences // num_beams)  # of each search, so far
        self.counted = False  # XLA would compile each step anew to look at them
        self.active = torch.arange(len(mask), device=mask.device)  # rows that are not dropped

    def count_ends(self, eos_token_id: int, candidates: torch.Tensor, _scores) -> torch.Tensor:
        """A stopping criterion of `generate` that stops nothing: it learns which searches are over.

        `candidates` (searches * n, tokens) are what each search chooses its beams from, the best
        first. An end among the first `num_beams` of them is a summary; early stopping wants as many
        as there are beams.
        """
        ended = (candidates[:, -1] == eos_token_id).view(self.ends.numel(), -1)
        self.ends += ended[:, : self.num_beams].sum(1).view(self.ends.shape)
        self.counted = True
        return torch.zeros_like(candidates[:, -1], dtype=torch.bool)

    def merge_rows(self, _decoder, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Before the decoder: one token of each sequence, (prompts * sequences, 1), to one row."""
        (ids,) = args or (kwargs["input_ids"],)  # GPT-2 passes it by position
        ids, cache = ids.view(-1, self.sequences), kwargs["past_key_values"]
        if self.counted:
            self.drop_finished(cache)
        start, self.length = self.length, self.length + self.sequences
        self.mask[:, :, start : self.length] = self.diagonal
        capacity = max(layer.ensure_capacity(self.length) for layer in cache.layers)
        mask = self.mask[:, None, :, :capacity]
        merged = {
            "input_ids": ids[self.active],
            "attention_mask": additive_mask(mask, self.additive) if self.additive else mask,
            "position_ids": self.position_ids,
        }
        self.position_ids = self.position_ids + 1
        return (), kwargs | merged

    def drop_finished(self, cache: Cache) -> None:
        unfinished = (self.ends[self.active] < self.num_beams).any(1)
        if 0 < unfinished.sum() <= MAX_ACTIVE * len(unfinished):
            self.active = self.active[unfinished]
            self.position_ids, self.mask = self.position_ids[unfinished], self.mask[unfinished]
            for layer in cache.layers:
                layer.select_rows(unfinished)

    def split_rows(self, _decoder, _args: tuple, output):
        """After the decoder: hidden states (active rows, sequences, size) to a row a sequence."""
        states = output.last_hidden_state
        # The states of dropped rows are not used: what follows an end is padded or not looked at.
        every = states.new_zeros(len(self.ends), *states.shape[1:])
        every[self.active] = states
        output.last_hidden_state = every.flatten(0, 1)[:, None]
        return output

    def reorder(self, beams: torch.Tensor) -> None:
        """Beam `i` continues what was beam `beams[i]` of the same prompt."""
        source = beams.view(-1, self.sequences)[self.active] % self.sequences
        self.mask = self.mask.gather(1, source[:, :, None].expand_as(self.mask))
