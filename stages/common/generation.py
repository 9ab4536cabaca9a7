"""Batched generation: prompts in, summaries out, in the order of the prompts."""

from pathlib import Path

from stages.common.batches import in_batches
from stages.common.continuing import continued
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


def generate_batch(model, tokenizer, encoded: list[list[int]], params: Generate) -> list[str]:
    """Summaries of one batch of token id lists."""
    sampling = {"temperature": params.temperature, "top_p": params.top_p, "top_k": 0}
    beams = {"length_penalty": params.length_penalty, "early_stopping": True}
    output = continued(
        model,
        encoded,
        tokenizer.pad_token_id,
        params.max_new_tokens,
        num_beams=params.num_beams,
        min_new_tokens=params.min_new_tokens or None,
        no_repeat_ngram_size=params.no_repeat_ngram_size,
        repetition_penalty=params.repetition_penalty,
        do_sample=params.do_sample,
        eos_token_id=tokenizer.eos_token_id,
        **(sampling if params.do_sample else {}),
        **(beams if params.num_beams > 1 else {}),
    )
    texts = tokenizer.batch_decode(output, skip_special_tokens=True)
    return [" ".join(text.split()) for text in texts]
