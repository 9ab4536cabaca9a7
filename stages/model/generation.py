"""Batched generation: conversations in, summaries out, in the order of the conversations."""

from collections import Counter
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
    cut: Counter | None = None,
) -> list[str]:
    """One summary a conversation, see `run_batches` for `progress` and `partial`, `tokenize_prompt`
    for `frame`.

    `cut` gains how many summaries met `max_new_tokens` before their end, as "summaries".
    """
    prompts = [tokenize_prompt(tokenizer, text, prompting, frame) for text in conversations]
    model.eval()

    def work(rows: list[list[int]]) -> list[tuple[str, bool]]:
        return generate_batch(model, tokenizer, rows, knobs)

    done = run_batches(work, prompts, knobs.batch_size, knobs.seed, "generate", progress, partial)
    if cut is not None:
        cut["summaries"] += sum(not ended for _, ended in done)
    return [text for text, _ in done]


def generate_batch(
    model, tokenizer, prompts: list[list[int]], knobs: Generate
) -> list[tuple[str, bool]]:
    """Summaries of one batch of token id lists, each with whether it came to its end."""
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
    ended = [tokenizer.eos_token_id in ids for ids in output.tolist()]
    return list(zip(map(tidy, texts), ended, strict=True))


def tidy(text: str) -> str:
    """A summary as a model wrote it, with single spaces and without empty lines.

    Its last token may hold some bytes of a character, or a joiner before one that never came.
    """
    lines = (" ".join(line.split()) for line in text.rstrip("\ufffd\u200d").splitlines())
    return "\n".join(line for line in lines if line)
