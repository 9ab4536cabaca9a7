"""Continuations of prompts: each prompt is read once, however many continuations it has."""

import contextlib

import torch
from torch import nn
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from stages.model.attention import PRODUCTS

READ = 8  # prompts that a CPU reads at a time
MOST = 0.75  # of a batch's rows go on: the others are left out, for which the cache is copied
MULTIPLE = 64  # of tokens in a cache: CPU kernels are compiled anew for every length they meet


@torch.no_grad()  # inference mode is refused on XLA
def generate_shared(
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
    options["disable_compile"] = True  # a model's own config may ask for it, at every new length
    if not shares(model):
        return model.generate(**inputs, **options)[:, width:]
    at_once = copies * num_beams
    cache = read(model, ids[:, :-1], mask[:, :-1], room * at_once)
    # A beam never goes on after an end, and XLA would compile each step anew for fewer rows.
    leave = num_beams == 1 and model.device.type != "xla"
    end = options.get("eos_token_id") if leave else None
    rows, decoder = Rows(mask[:, :-1], room, at_once, end), model.get_decoder()
    cache.reorder_cache = rows.reorder
    with (
        decoder.register_forward_pre_hook(rows.fold, with_kwargs=True),
        decoder.register_forward_hook(rows.unfold),
    ):
        output = model.generate(**inputs, **options, past_key_values=cache)
    return output[:, width:]


def shares(model) -> bool:
    """Whether a mask can keep continuations in one row apart: in no window, no recurrent state and
    no attention of another kind."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    whole = all(type(layer) is DynamicLayer for layer in cache.layers)
    return whole and model.config._attn_implementation in ("sdpa", PRODUCTS)


def read(model, input_ids: torch.Tensor, mask: torch.Tensor, room: int) -> Cache:
    """A cache with the prompts (rows, tokens), padded on the left where `mask` is 0, and with some of
    the room that later tokens will need.

    A CPU reads a few at a time, so that what a layer hands to the next stays in its cache, and
    without the padding that only longer ones need.
    """
    config = model.config.get_text_config(decoder=True)
    whole = DynamicCache(config=config)
    length = rounded(input_ids.shape[1] + min(room, MULTIPLE))
    whole.layers = [Room(*input_ids.shape, length) for _ in whole.layers]
    few = READ if model.device.type == "cpu" else len(mask)
    for start in range(0, len(mask), few):
        rows = slice(start, start + few)
        padding = min(int((mask[rows].sum(0) == 0).sum()), mask.shape[1] - 1)
        some, seen = input_ids[rows, padding:], mask[rows, padding:]
        part = DynamicCache(config=config)
        part.layers[-1] = Last()
        with contextlib.suppress(AllRead):
            model.get_decoder()(
                input_ids=some,
                attention_mask=seen,
                position_ids=(seen.cumsum(-1) - 1).clamp(min=0),
                past_key_values=part,
                use_cache=True,
            )
        for layer, states in zip(whole.layers, part.layers, strict=True):
            layer.put(rows, padding, states.keys, states.values)
    return whole


class AllRead(Exception):
    """The cache is complete: what a model computes after it, `generate` needs of later tokens only."""


class Last(DynamicLayer):
    def update(self, *args, **kwargs) -> None:
        super().update(*args, **kwargs)
        raise AllRead


class Room(DynamicLayer):
    """A layer of the cache with room for later tokens, which grows by `MULTIPLE` of them.

    `keys` and `values` are (rows, heads, length, size), the first `filled` places in use. Attention
    is given all of them: of a part, a CPU's matrix product would make a copy first.
    """

    def __init__(self, rows: int, filled: int, length: int):
        super().__init__()
        self.rows, self.filled, self.length = rows, filled, length

    def put(self, rows: slice, start: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            self.keys, self.values = (
                new.new_zeros(self.rows, new.shape[1], self.length, new.shape[3])
                for new in (keys, values)
            )
        end = start + keys.shape[2]
        self.keys[rows, :, start:end], self.values[rows, :, start:end] = keys, values

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_, **__) -> tuple:
        self.put(slice(None), self.filled, key_states, value_states)
        self.filled += key_states.shape[2]
        return self.keys, self.values

    def get_seq_length(self) -> int:
        return self.filled

    def grow(self, filled: int) -> int:
        """Its length, once so many places are there."""
        more = rounded(filled) - self.keys.shape[2]
        if more > 0:
            both = self.keys, self.values
            self.keys, self.values = (nn.functional.pad(old, (0, 0, 0, more)) for old in both)
        return self.keys.shape[2]

    def keep(self, rows: torch.Tensor) -> None:
        self.keys, self.values = self.keys[rows], self.values[rows]


def rounded(length: int) -> int:
    """Up to a length that CPU kernels are compiled for."""
    return -(-length // MULTIPLE) * MULTIPLE


class Rows:
    """One row for all continuations of a prompt, where `generate` has one for each.

    By hooks the decoder is given a token of every continuation side by side, and a mask by which
    each sees the prompt and its own earlier ones. Where beams change places only the mask follows.
    Rows whose continuations have all come to the token `eos` are left out, once they are many.
    """

    def __init__(self, mask: torch.Tensor, room: int, copies: int, eos: int | None):
        self.copies, self.end, self.eos = copies, mask.shape[1], eos
        # Below: rows, copies, and places of the cache.
        self.position = mask.sum(1, keepdim=True).expand(-1, copies)
        visible = mask.bool()[:, None].expand(-1, copies, -1)
        most = rounded(self.end + room * copies)
        self.visible = nn.functional.pad(visible, (0, most - self.end))
        self.own = torch.eye(copies, dtype=torch.bool, device=mask.device)
        self.ended = torch.zeros_like(self.position, dtype=torch.bool)
        self.at_work = torch.arange(len(mask), device=mask.device)

    def fold(self, _decoder, given: tuple, named: dict) -> tuple[tuple, dict]:
        (ids,) = given or (named["input_ids"],)  # GPT-2 gives it by position
        ids, cache = ids.view(-1, self.copies), named["past_key_values"]
        self.leave_out(ids, cache)
        start, self.end = self.end, self.end + self.copies
        self.visible[:, :, start : self.end] = self.own
        length = max(layer.grow(self.end) for layer in cache.layers)
        folded = {
            "input_ids": ids[self.at_work],
            "attention_mask": self.visible[:, None, :, :length],
            "position_ids": self.position,
        }
        self.position = self.position + 1
        return (), named | folded

    def leave_out(self, ids: torch.Tensor, cache: Cache) -> None:
        if self.eos is None:
            return
        self.ended |= ids == self.eos
        going = ~self.ended[self.at_work].all(1)
        if 0 < going.sum() <= MOST * len(going):
            self.at_work, self.position = self.at_work[going], self.position[going]
            self.visible = self.visible[going]
            for layer in cache.layers:
                layer.keep(going)

    def unfold(self, _decoder, _given: tuple, output):
        some = output.last_hidden_state  # rows at work, copies, size
        states = some.new_zeros(*self.ended.shape, some.shape[-1])
        states[self.at_work] = some
        output.last_hidden_state = states.flatten(0, 1)[:, None]
        return output

    def reorder(self, beams: torch.Tensor) -> None:
        self.visible = self.visible.flatten(0, 1)[beams].view(self.visible.shape)
