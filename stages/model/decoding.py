"""Decoding with a shared prefix: a prompt's beams and sequences share one row of the KV cache.

`transformers` gives every beam and every returned sequence a row of its own, each with a copy of
the prompt's keys and values. Here a prompt is prefilled once. At each step the decoder gets the next
token of all its sequences side by side in one row, and a mask that separates the sequences, as in
tree attention (SpecInfer, Miao et al. 2023, https://arxiv.org/abs/2305.09781).
"""

import torch
from torch import nn
from transformers import Cache

from stages.common.cli import UserError
from stages.model.attention import additive_mask
from stages.model.kv_cache import round_up
from stages.model.prefill import prefill
from stages.model.sharding import is_sharded
from stages.model.strategies import choose_strategy
from stages.model.text_part import text_decoder
from stages.model.tolerance import kind

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
    A model that a mask cannot make share rows gets a row a sequence, see `choose_strategy`.
    """
    options |= {
        "num_beams": num_beams,
        "max_new_tokens": max_new_tokens,
        "pad_token_id": pad_token_id,
        "disable_compile": True,  # a model's own config may compile for every new length
        "synced_gpus": is_sharded(model),
    }
    strategy = choose_strategy(model, STRATEGIES)
    try:
        return strategy(model, prompts, num_return_sequences, options)
    except ValueError as error:
        if "cannot use beam search" not in str(error):
            raise
        why = f"the base model ({kind(model)}) cannot search with beams"
        raise UserError(f"generate.num_beams is {num_beams}: {why}: set it to 1") from None


def generate_in_shared_rows(
    model, prompts: list[list[int]], repeats: int, options: dict
) -> torch.Tensor:
    """A prompt is prefilled once, and all its sequences share its row."""
    ids, mask = pad_left(model, prompts, options["pad_token_id"])
    new_tokens, sequences = options["max_new_tokens"], repeats * options["num_beams"]
    # The last token is left to `generate`, which needs one to start from.
    cache = prefill(model, ids[:, :-1], mask[:, :-1], new_tokens * sequences)
    # A finished beam can be replaced by another one, and XLA compiles each new number of rows.
    drop = options["num_beams"] == 1 and model.device.type != "xla"
    eos_token_id = options.get("eos_token_id") if drop else None
    additive = model.dtype if model.config._attn_implementation == "eager" else None
    shared = SharedPrefixDecoder(mask[:, :-1], new_tokens, sequences, eos_token_id, additive)
    cache.reorder_cache = shared.reorder
    decoder = text_decoder(model)
    with (
        decoder.register_forward_pre_hook(shared.merge_rows, with_kwargs=True),
        decoder.register_forward_hook(shared.split_rows),
    ):
        return generate_rows(model, ids, mask, repeats, options | {"past_key_values": cache})


def generate_padded(model, prompts: list[list[int]], repeats: int, options: dict) -> torch.Tensor:
    """As transformers does it: a row a sequence, padded on the left."""
    ids, mask = pad_left(model, prompts, options["pad_token_id"])
    return generate_rows(model, ids, mask, repeats, options)


def generate_alone(model, prompts: list[list[int]], repeats: int, options: dict) -> torch.Tensor:
    """As transformers does it for one prompt, without padding."""
    outputs = []
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        rows = generate_rows(model, ids, torch.ones_like(ids), repeats, options)
        outputs += rows.unbind()
    return nn.utils.rnn.pad_sequence(outputs, True, options["pad_token_id"])


STRATEGIES = (generate_in_shared_rows, generate_padded, generate_alone)


def pad_left(model, prompts: list[list[int]], pad_token_id: int) -> tuple[torch.Tensor, ...]:
    """Token ids and mask (prompts, tokens)."""
    width = max(2, *map(len, prompts))
    padding = [width - len(ids) for ids in prompts]
    ids = [[pad_token_id] * n + ids for n, ids in zip(padding, prompts, strict=True)]
    mask = [[0] * n + [1] * (width - n) for n in padding]
    return torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)


def generate_rows(
    model, ids: torch.Tensor, mask: torch.Tensor, repeats: int, options: dict
) -> torch.Tensor:
    """The new tokens (rows * repeats, …) of `model.generate`."""
    ids, mask = (tensor.repeat_interleave(repeats, dim=0) for tensor in (ids, mask))
    return model.generate(input_ids=ids, attention_mask=mask, **options)[:, ids.shape[1] :]


class SharedPrefixDecoder:
    """Hooks on the decoder: `generate` sees a row for each sequence, the decoder one for each prompt.

    A sequence attends to the prompt and to its own earlier tokens. When beams are reordered, only
    the mask changes. Prompts whose sequences have all produced `eos_token_id` are dropped.
    """

    def __init__(
        self,
        mask: torch.Tensor,
        max_new_tokens: int,
        sequences: int,
        eos_token_id: int | None,
        additive: torch.dtype | None = None,
    ):
        self.sequences, self.eos_token_id, self.additive = sequences, eos_token_id, additive
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
        mask = self.mask[:, None, :, :capacity]
        merged = {
            "input_ids": ids[self.active],
            "attention_mask": additive_mask(mask, self.additive) if self.additive else mask,
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
