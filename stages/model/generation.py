"""Batched generation: conversations in, summaries out, in the order of the conversations."""

from pathlib import Path

from stages.model.batches import run_batches
from stages.model.decoding import generate_shared
from stages.model.tokenization import tokenize_prompt
from stages.params import FormatPrompts, Generate


def summarize(
    model,
    tokenizer,
    conversations: list[str],
    prompting: FormatPrompts,
    knobs: Generate,
    progress: bool = True,
    partial: Path | None = None,
    frame: tuple[str, str] | None = None,
) -> list[str]:
    """One summary a conversation, see `run_batches` for `progress` and `partial`, `tokenize_prompt`
    for `frame`."""
    prompts = [tokenize_prompt(tokenizer, text, prompting, frame) for text in conversations]
    model.eval()

    def work(rows: list[list[int]]) -> list[str]:
        return generate_batch(model, tokenizer, rows, knobs)

    return run_batches(work, prompts, knobs.batch_size, knobs.seed, "generate", progress, partial)


def generate_batch(model, tokenizer, prompts: list[list[int]], knobs: Generate) -> list[str]:
    """Summaries of one batch of token id lists."""
    sampling = {"temperature": knobs.temperature, "top_p": knobs.top_p, "top_k": 0}
    beams = {"length_penalty": knobs.length_penalty, "early_stopping": True}
    output = generate_shared(
        model,
        prompts,
        tokenizer.pad_token_id,
        knobs.max_new_tokens,
        num_beams=knobs.num_beams,
        min_new_tokens=knobs.min_new_tokens or None,
        no_repeat_ngram_size=knobs.no_repeat_ngram_size,
        repetition_penalty=knobs.repetition_penalty,
        do_sample=knobs.do_sample,
        eos_token_id=tokenizer.eos_token_id,
        **(sampling if knobs.do_sample else {}),
        **(beams if knobs.num_beams > 1 else {}),
    )
    texts = tokenizer.batch_decode(output, skip_special_tokens=True)
    return [" ".join(text.split()) for text in texts]
