"""Batched generation: prompts in, summaries out, in the order of the prompts."""

from collections.abc import Iterator

import torch
from tqdm import tqdm
from transformers import set_seed

from stages.common.params import FormatPrompts, Generate
from stages.common.prompts import tokenize_prompt


def summarize(
    model,
    tokenizer,
    prompts: list[str],
    prompting: FormatPrompts,
    params: Generate,
    progress: bool = True,
) -> list[str]:
    """One summary a prompt. Shows a progress bar with rate and time left."""
    encoded = [tokenize_prompt(tokenizer, prompt, prompting) for prompt in prompts]
    summaries = [""] * len(prompts)
    model.eval()
    set_seed(params.seed)
    with tqdm(total=len(prompts), unit="dialogue", desc="generate", disable=not progress) as bar:
        for batch in batches(encoded, params.batch_size):
            texts = generate_batch(model, tokenizer, [encoded[i] for i in batch], params)
            for i, text in zip(batch, texts, strict=True):
                summaries[i] = text
            bar.update(len(batch))
    return summaries


def batches(encoded: list[list[int]], size: int) -> Iterator[list[int]]:
    """Indices of the prompts, longest first, so that a batch holds little padding and the first
    batch is the one that needs the most memory."""
    order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


@torch.no_grad()  # inference mode is refused on XLA
def generate_batch(model, tokenizer, encoded: list[list[int]], params: Generate) -> list[str]:
    """Summaries of one batch of token id lists, padded on the left."""
    width = max(map(len, encoded))
    pad = [width - len(ids) for ids in encoded]
    input_ids = [[tokenizer.pad_token_id] * n + ids for n, ids in zip(pad, encoded, strict=True)]
    mask = [[0] * n + [1] * (width - n) for n in pad]
    sampling = {"temperature": params.temperature, "top_p": params.top_p, "top_k": 0}
    beams = {"length_penalty": params.length_penalty, "early_stopping": True}
    output = model.generate(
        input_ids=torch.tensor(input_ids, device=model.device),
        attention_mask=torch.tensor(mask, device=model.device),
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
