"""Batched generation: prompts in, summaries out, in the order of the prompts."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import Cache, DynamicCache, StaticCache, set_seed

from stages.common.cli import UserError, out_of_memory
from stages.common.files import writing
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
    """One summary a prompt. Shows a progress bar with rate and time left.

    Finished batches are kept in the file `partial`, if given, and not made again by a later call.
    A batch that does not fit in memory is made in halves, and so are those after it.
    """
    encoded = [tokenize_prompt(tokenizer, prompt, prompting) for prompt in prompts]
    done = finished(partial) if partial else {}
    size = params.batch_size
    model.eval()
    with tqdm(total=len(prompts), unit="dialogue", desc="generate", disable=not progress) as bar:
        for number, batch in enumerate(batches(encoded, params.batch_size)):
            if any(i not in done for i in batch):
                set_seed((params.seed + number) % 2**32)  # so that a batch hangs on no other
                rows = [encoded[i] for i in batch]
                texts, size = generate_in_parts(model, tokenizer, rows, params, size)
                made = dict(zip(batch, texts, strict=True))
                done |= made
                if partial:
                    keep(partial, made)
            bar.update(len(batch))
    return [done[i] for i in range(len(prompts))]


def finished(partial: Path) -> dict[int, str]:
    """Summaries by number of their prompt. A last line that was cut off is taken away."""
    if not partial.exists():
        return {}
    *lines, torn = partial.read_bytes().split(b"\n")
    if torn:
        os.truncate(partial, partial.stat().st_size - len(torn))
    done = [json.loads(line) for line in lines]
    return {int(i): text for batch in done for i, text in batch.items()}


def keep(partial: Path, made: dict[int, str]) -> None:
    """Add a batch as one line, on the disk before the next batch begins."""
    with writing(partial), open(partial, "a", encoding="utf-8") as out:
        out.write(json.dumps(made) + "\n")
        out.flush()
        os.fsync(out.fileno())


def generate_in_parts(
    model, tokenizer, encoded: list[list[int]], params: Generate, size: int
) -> tuple[list[str], int]:
    """Summaries of one batch, made `size` at a time, and the size that fitted in memory."""
    texts = []
    while len(texts) < len(encoded):
        rows = encoded[len(texts) : len(texts) + size]
        try:
            texts += generate_batch(model, tokenizer, rows, params)
            continue
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        if len(rows) == 1:
            message = f"a prompt of {len(rows[0])} tokens does not fit in memory:"
            raise UserError(f"{message} lower format_prompts.max_prompt_tokens")
        size = len(rows) // 2
        print(f"generate: {len(rows)} prompts do not fit in memory: {size} at a time", flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return texts, size


def batches(encoded: list[list[int]], size: int) -> Iterator[list[int]]:
    """Indices of the prompts, longest first, so that a batch holds little padding and the first
    batch is the one that needs the most memory."""
    order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


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
        past_key_values=read(model, input_ids[:, :-1], mask[:, :-1], params),
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


def read(model, input_ids: torch.Tensor, mask: torch.Tensor, params: Generate) -> Cache:
    """A cache that holds the prompts (batch × tokens), each read once and repeated for its beams.

    A CPU reads a few at a time, so that what a layer hands to the next stays in its cache, without
    the padding that only longer ones need, and has the final length from the start, for its kernels
    are made anew for every length.
    """
    config, cpu = model.config.get_text_config(decoder=True), model.device.type == "cpu"
    length = input_ids.shape[1] + 1 + params.max_new_tokens
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
            setattr(layer, name, torch.cat(states).repeat_interleave(params.num_beams, dim=0))
    return whole
