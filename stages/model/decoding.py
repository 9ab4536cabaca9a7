"""Decoding with a shared prefix: a prompt's beams and sequences share one row of the KV cache.

`transformers` gives every beam and every returned sequence a row of its own, each with a copy of
the prompt's keys and values. Here a prompt is prefilled once. At each step the decoder gets the next
token of all its sequences side by side in one row, and a mask that separates the sequences, as in
tree attention (SpecInfer, Miao et al. 2023, https://arxiv.org/abs/2305.09781).
"""

from functools import partial

import torch
from torch import nn
from transformers import StoppingCriteriaList

from stages.common.cli import UserError
from stages.model.prefill import prefill
from stages.model.sharding import is_sharded
from stages.model.shared_rows import SharedPrefixDecoder
from stages.model.strategies import choose_strategy
from stages.model.text_part import text_decoder
from stages.model.tolerance import kind


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
    new_tokens, beams = options["max_new_tokens"], options["num_beams"]
    sequences = repeats * beams
    # The last token is left to `generate`, which needs one to start from.
    cache = prefill(model, ids[:, :-1], mask[:, :-1], new_tokens * sequences)
    additive = model.dtype if model.config._attn_implementation == "eager" else None
    shared = SharedPrefixDecoder(mask[:, :-1], new_tokens, sequences, beams, additive)
    cache.reorder_cache = shared.reorder
    options = options | {"past_key_values": cache}
    # Without early stopping, a beam may still be replaced; XLA compiles each new number of rows.
    ends = beams == 1 or options.get("early_stopping") is True
    if ends and options.get("eos_token_id") is not None and model.device.type != "xla":
        count_ends = partial(shared.count_ends, options["eos_token_id"])
        options["stopping_criteria"] = StoppingCriteriaList([count_ends])
    decoder = text_decoder(model)
    with (
        decoder.register_forward_pre_hook(shared.merge_rows, with_kwargs=True),
        decoder.register_forward_hook(shared.split_rows),
    ):
        return generate_rows(model, ids, mask, repeats, options)


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
