"""Continuations of prompts: each prompt is read once, however many continuations it has."""

import torch
from transformers import Cache, DynamicCache, StaticCache
from transformers.cache_utils import DynamicLayer

from stages.common.attention import PRODUCTS

READ = 8  # prompts that a CPU reads at a time


@torch.no_grad()  # inference mode is refused on XLA
def continued(
    model,
    prompts: list[list[int]],
    pad: int,
    room: int,
    copies: int = 1,
    num_beams: int = 1,
    **options,
) -> torch.Tensor:
    """What `model.generate` under its `options` writes after each prompt, `copies` times.

    Returns token ids (continuations, `room` at most), padded on the right.
    """
    width = max(2, *map(len, prompts))
    padding = [width - len(ids) for ids in prompts]
    ids = [[pad] * n + ids for n, ids in zip(padding, prompts, strict=True)]
    mask = [[0] * n + [1] * (width - n) for n in padding]
    ids, mask = torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)
    inputs = {
        "input_ids": ids.repeat_interleave(copies, dim=0),
        "attention_mask": mask.repeat_interleave(copies, dim=0),
    }
    options |= {"num_beams": num_beams, "max_new_tokens": room, "pad_token_id": pad}
    if not shares(model):
        return model.generate(**inputs, **options, disable_compile=True)[:, width:]
    at_once = copies * num_beams
    cache = read(model, ids[:, :-1], mask[:, :-1], room * at_once)
    rows, decoder = Rows(cache, mask[:, :-1], room, at_once), model.get_decoder()
    cache.reorder_cache = rows.reorder
    with (
        decoder.register_forward_pre_hook(rows.fold, with_kwargs=True),
        decoder.register_forward_hook(rows.unfold),
    ):
        output = model.generate(**inputs, **options, past_key_values=cache, disable_compile=True)
    return output[:, width:]


def shares(model) -> bool:
    """Whether a mask can keep continuations in one row apart: in no window, no recurrent state and
    no attention of another kind."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    whole = all(type(layer) is DynamicLayer for layer in cache.layers)
    return whole and model.config._attn_implementation in ("sdpa", PRODUCTS)


def read(model, input_ids: torch.Tensor, mask: torch.Tensor, room: int) -> Cache:
    """A cache that holds the prompts (rows, tokens), padded on the left where `mask` is 0.

    A CPU reads a few at a time, so that what a layer hands to the next stays in its cache, without
    the padding that only longer ones need, and has `room` for later tokens from the start, for its
    kernels are made anew for every length.
    """
    config = model.config.get_text_config(decoder=True)
    few = model.device.type == "cpu"
    length = input_ids.shape[1] + room
    parts = []  # a cache, and how many places of padding it leaves out
    for rows in torch.arange(len(input_ids), device=model.device).split(READ if few else len(mask)):
        # The first part, of the longest prompts, gives the cache its length.
        padding = int((mask[rows].sum(0) == 0).sum()) if parts else 0
        some, seen = input_ids[rows, padding:], mask[rows, padding:]
        cache = StaticCache(config, length - padding) if few else DynamicCache(config=config)
        # Without the output layer, which `generate` needs from the last token on.
        model.get_decoder()(
            input_ids=some,
            attention_mask=seen,
            position_ids=(seen.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
        )
        parts.append((cache, padding))
    whole = parts[0][0]
    for number, layer in enumerate(whole.layers if len(parts) > 1 else ()):
        for name in ("keys", "values"):
            states = [
                torch.nn.functional.pad(getattr(cache.layers[number], name), (0, 0, padding, 0))
                for cache, padding in parts
            ]
            setattr(layer, name, torch.cat(states))
    return whole


class Rows:
    """One row for all continuations of a prompt, where `generate` has one for each.

    By hooks the decoder is given a token of every continuation side by side, and a mask by which
    each sees the prompt and its own earlier ones. Where beams change places only the mask follows.
    """

    def __init__(self, cache: Cache, mask: torch.Tensor, room: int, copies: int):
        self.copies, self.end = copies, mask.shape[1]
        self.position = mask.sum(1, keepdim=True).expand(-1, copies)  # rows, copies
        visible = mask.bool().repeat_interleave(copies, dim=0)
        self.visible = torch.nn.functional.pad(visible, (0, room * copies))  # continuations, tokens
        self.own = torch.eye(copies, dtype=torch.bool, device=mask.device).repeat(len(mask), 1)
        self.static = cache.is_compileable  # it hands out its whole length

    def fold(self, _decoder, given: tuple, named: dict) -> tuple[tuple, dict]:
        (ids,) = given or (named["input_ids"],)  # GPT-2 gives it by position
        start, self.end = self.end, self.end + self.copies
        self.visible[:, start : self.end] = self.own
        seen = self.visible if self.static else self.visible[:, : self.end]
        folded = {
            "input_ids": ids.view(-1, self.copies),
            "attention_mask": seen.view(-1, 1, self.copies, seen.shape[1]),
            "position_ids": self.position,
        }
        self.position = self.position + 1
        return (), named | folded

    def unfold(self, _decoder, _given: tuple, output):
        output.last_hidden_state = output.last_hidden_state.flatten(0, 1)[:, None]
        return output

    def reorder(self, beams: torch.Tensor) -> None:
        self.visible = self.visible[beams]
