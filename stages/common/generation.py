"""Batched generation: prompts in, summaries out, in the order of the prompts."""

from pathlib import Path

import torch
from transformers import Cache, DynamicCache, StaticCache

from stages.common.batches import in_batches
from stages.common.params import FormatPrompts, Generate
from stages.common.prompts import tokenize_prompt


def summarize(
    model,
    tokenizer,
    prompts: list[str],
    prompting: FormatPrompts,
    params: Generate,
    progress: bool = True,
    partial: Path | None = None,
) -> list[str]:
    """One summary a prompt, see `in_batches` for `progress` and `partial`."""
    encoded = [tokenize_prompt(tokenizer, prompt, prompting) for prompt in prompts]
    model.eval()

    def make(rows: list[list[int]]) -> list[str]:
        return generate_batch(model, tokenizer, rows, params)

    size, seed = params.batch_size, params.seed
    return in_batches(make, encoded, size, seed, "generate", progress, partial)


@torch.no_grad()  # inference mode is refused on XLA
def generate_batch(model, tokenizer, encoded: list[list[int]], params: Generate) -> list[str]:
    """Summaries of one batch of token id lists, padded on the left."""
    width = max(2, *map(len, encoded))
    pad = [width - len(ids) for ids in encoded]
    input_ids = [[tokenizer.pad_token_id] * n + ids for n, ids in zip(pad, encoded, strict=True)]
    mask = [[0] * n + [1] * (width - n) for n in pad]
    sampling = {"temperature": params.temperature, "top_p": params.top_p, "top_k": 0}
    beams = {"length_penalty": params.length_penalty, "early_stopping": True}
    input_ids = torch.tensor(input_ids, device=model.device)
    mask = torch.tensor(mask, device=model.device)
    output = model.generate(
        input_ids=input_ids,
        attention_mask=mask,
        past_key_values=read(
            model, input_ids[:, :-1], mask[:, :-1], 1 + params.max_new_tokens, params.num_beams
        ),
        disable_compile=True,
        max_new_tokens=params.max_new_tokens,
        min_new_tokens=params.min_new_tokens or None,
        num_beams=params.num_beams,
        no_repeat_ngram_size=params.no_repeat_ngram_size,
        repetition_penalty=params.repetition_penalty,
        do_sample=params.do_sample,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **(sampling if params.do_sample else {}),
        **(beams if params.num_beams > 1 else {}),
    )
    texts = tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
    return [" ".join(text.split()) for text in texts]


def read(model, input_ids: torch.Tensor, mask: torch.Tensor, room: int, copies: int = 1) -> Cache:
    """A cache that holds the prompts (batch × tokens), each read once and repeated for its copies.

    A CPU reads a few at a time, so that what a layer hands to the next stays in its cache, without
    the padding that only longer ones need, and has `room` for later tokens from the start, for its
    kernels are made anew for every length.
    """
    config, cpu = model.config.get_text_config(decoder=True), model.device.type == "cpu"
    length = input_ids.shape[1] + room
    parts = []  # a cache, and how many places of padding it leaves out
    for rows in torch.arange(len(input_ids), device=model.device).split(8 if cpu else len(mask)):
        # The first part, of the longest prompts, gives the cache its length.
        padding = int((mask[rows].sum(0) == 0).sum()) if parts else 0
        some, seen = input_ids[rows, padding:], mask[rows, padding:]
        cache = StaticCache(config, length - padding) if cpu else DynamicCache(config=config)
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
    for number, layer in enumerate(whole.layers):
        for name in ("keys", "values"):
            states = [
                torch.nn.functional.pad(getattr(cache.layers[number], name), (0, 0, padding, 0))
                for cache, padding in parts
            ]
            setattr(layer, name, torch.cat(states).repeat_interleave(copies, dim=0))
    return whole
