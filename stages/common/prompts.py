"""From a conversation to the token ids a model sees, the same in training and inference."""

import polars as pl


def render_prompts(turns: pl.Series, template: str) -> pl.Series:
    """Fill `{conversation}` of `template` with each conversation, a turn a line.

    `turns` is a column of list<struct<speaker, text>>; a turn without a speaker is its bare text.
    Returns one string a row.
    """
    flat = turns.to_frame("turn").with_row_index("row").explode("turn").unnest("turn")
    speaker = pl.col("speaker")
    line = (
        pl.when(speaker.is_null()).then(pl.col("text")).otherwise(speaker + ": " + pl.col("text"))
    )
    head, tail = template.split("{conversation}")
    joined = flat.group_by("row", maintain_order=True).agg(line.str.join("\n"))
    return joined.select(prompt=pl.lit(head) + pl.col("text") + pl.lit(tail))["prompt"]


def tokenize_prompt(tokenizer, prompt: str, max_tokens: int) -> list[int]:
    """Token ids of a prompt, at most `max_tokens`, with the tokenizer's own BOS if it has one.

    A prompt that is too long loses its middle. The problem stands at the start of a conversation
    and the outcome at its end, and the words of the template around it are never cut.
    """
    ids = tokenizer(prompt, verbose=False).input_ids
    if len(ids) <= max_tokens:
        return ids
    tail = max_tokens // 2
    return ids[: max_tokens - tail] + ids[-tail:]


def tokenize_summary(tokenizer, summary: str) -> list[int]:
    """Token ids of a completion: a space, the summary, and the EOS that ends generation."""
    ids = tokenizer(" " + summary, add_special_tokens=False, verbose=False).input_ids
    return [*ids, tokenizer.eos_token_id]
