"""Decoding with a shared prefix: a prompt's beams and sequences share one row of the KV cache.

`transformers` gives every beam and every returned sequence a row of its own, each with a copy of
the prompt's keys and values. Here a prompt is prefilled once. At each step the decoder gets the next
token of all its sequences side by side in one row, and a mask that separates the sequences, as in
tree attention (SpecInfer, Miao et al. 2023, https://arxiv.org/abs/2305.09781).
"""

import torch
from torch import nn
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from stages.model.attention import MATMUL
from stages.model.kv_cache import round_up
from stages.model.prefill import prefill

# Finished prompts are dropped once no more than this share of the rows is active: each time, the
# cache is copied.
MAX_ACTIVE = 0.75


@torch.no_grad()  # XLA does not support inference mode
def generate_shared(
    model,
    prompts: list[list[int]],
    pad_token_id: int,
    max_new_tokens: int,
    num_return_sequences: int = 1,
    num_beams: int = 1,
    **options,
) -> torch.Tensor:
    """What `model.generate` under the same options returns for prompts of token ids.

    Returns the new token ids (prompts * num_return_sequences, at most max_new_tokens), padded on the
    right. With beams, `num_return_sequences` repeats the search: it does not return several beams.
    """
    width = max(2, *map(len, prompts))
    padding = [width - len(ids) for ids in prompts]
    ids = [[pad_token_id] * n + ids for n, ids in zip(padding, prompts, strict=True)]
    mask = [[0] * n + [1] * (width - n) for n in padding]
    ids, mask = torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)
    inputs = {
        "input_ids": ids.repeat_interleave(num_return_sequences, dim=0),
        "attention_mask": mask.repeat_interleave(num_return_sequences, dim=0),
    }
    options |= {
        "num_beams": num_beams,
        "max_new_tokens": max_new_tokens,
        "pad_token_id": pad_token_id,
        "disable_compile": True,  # a model's own config may compile for every new length
    }
    if not supports_shared_prefix(model):
        return model.generate(**inputs, **options)[:, width:]
    sequences = num_return_sequences * num_beams
    # The last token is left to `generate`, which needs one to start from.
    cache = prefill(model, ids[:, :-1], mask[:, :-1], max_new_tokens * sequences)
    # A finished beam can be replaced by another one, and XLA compiles each new number of rows.
    drop = num_beams == 1 and model.device.type != "xla"
    eos_token_id = options.get("eos_token_id") if drop else None
    shared = SharedPrefixDecoder(mask[:, :-1], max_new_tokens, sequences, eos_token_id)
    cache.reorder_cache = shared.reorder
    decoder = model.get_decoder()
    with (
        decoder.register_forward_pre_hook(shared.merge_rows, with_kwargs=True),
        decoder.register_forward_hook(shared.split_rows),
    ):
        output = model.generate(**inputs, **options, past_key_values=cache)
    return output[:, width:]


def supports_shared_prefix(model) -> bool:
    """Whether a mask can separate sequences in one row: only with plain attention in every layer.

    A sliding window, a recurrent state and some attention implementations ignore such a mask.
    """
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    plain = all(type(layer) is DynamicLayer for layer in cache.layers)
    return plain and model.config._attn_implementation in ("sdpa", MATMUL)


class SharedPrefixDecoder:
    """Hooks on the decoder: `generate` sees a row for each sequence, the decoder one for each prompt.

    A sequence attends to the prompt and to its own earlier tokens. When beams are reordered, only
    the mask changes. Prompts whose sequences have all produced `eos_token_id` are dropped.
    """

    def __init__(
        self, mask: torch.Tensor, max_new_tokens: int, sequences: int, eos_token_id: int | None
    ):
        self.sequences, self.eos_token_id = sequences, eos_token_id
        self.length = mask.shape[1]  # tokens in the cache
        # Both are (active rows, sequences, …): positions of 1, masks of the cache's capacity.
        self.position_ids = mask.sum(1, keepdim=True).expand(-1, sequences)
        prompt = mask.bool()[:, None].expand(-1, sequences, -1)
        capacity = round_up(self.length + max_new_tokens * sequences)
        self.mask = nn.functional.pad(prompt, (0, capacity - self.length))
        self.diagonal = torch.eye(sequences, dtype=torch.bool, device=mask.device)
        self.finished = torch.zeros_like(self.position_ids, dtype=torch.bool)
        self.active = torch.arange(len(mask), device=mask.device)  # rows that are not dropped

    def merge_rows(self, _decoder, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Before the decoder: one token of each sequence, (prompts * sequences, 1), to one row."""
        (ids,) = args or (kwargs["input_ids"],)  # GPT-2 passes it by position
        ids, cache = ids.view(-1, self.sequences), kwargs["past_key_values"]
        self.drop_finished(ids, cache)
        start, self.length = self.length, self.length + self.sequences
        self.mask[:, :, start : self.length] = self.diagonal
        capacity = max(layer.ensure_capacity(self.length) for layer in cache.layers)
        merged = {
            "input_ids": ids[self.active],
            "attention_mask": self.mask[:, None, :, :capacity],
            "position_ids": self.position_ids,
        }
        self.position_ids = self.position_ids + 1
        return (), kwargs | merged

    def drop_finished(self, ids: torch.Tensor, cache: Cache) -> None:
        if self.eos_token_id is None:
            return
        self.finished |= ids == self.eos_token_id
        unfinished = ~self.finished[self.active].all(1)
        if 0 < unfinished.sum() <= MAX_ACTIVE * len(unfinished):
            self.active = self.active[unfinished]
            self.position_ids, self.mask = self.position_ids[unfinished], self.mask[unfinished]
            for layer in cache.layers:
                layer.select_rows(unfinished)

    def split_rows(self, _decoder, _args: tuple, output):
        """After the decoder: hidden states (active rows, sequences, size) to a row a sequence."""
        states = output.last_hidden_state
        # The states of dropped rows are not used: `generate` pads what follows an end.
        every = states.new_zeros(*self.finished.shape, states.shape[-1])
        every[self.active] = states
        output.last_hidden_state = every.flatten(0, 1)[:, None]
        return output

    def reorder(self, beams: torch.Tensor) -> None:
        """Beam `i` continues what was beam `beams[i]`."""
        self.mask = self.mask.flatten(0, 1)[beams].view(self.mask.shape)
