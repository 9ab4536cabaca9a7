"""Tokens of prompts and summaries, by the tokenizer of `models/base` or estimated."""

import json
from dataclasses import dataclass
from pathlib import Path

from stages.params import Params
from tools.inspect.look import Look

SOME = 2000  # dialogues
UNLIMITED = 1 << 30


@dataclass
class Lengths:
    prompts: list[int]
    summaries: list[int]
    context: int | None  # of the base model, in tokens
    estimated: bool


def lengths(look: Look, base: Path, params: Params) -> Lengths:
    rows = look.prompts["train"].head(SOME)
    references = [text for texts in rows["references"].to_list() for text in texts]
    if not (base / "config.json").exists():
        prompts, summaries = map(estimate, rows["prompt"]), map(estimate, references)
        return Lengths(list(prompts), list(summaries), None, True)

    from stages.model.loading import load_tokenizer
    from stages.model.tokenization import prompt_frame, tokenize_prompt, tokenize_summary

    tokenizer = load_tokenizer(base, params.format_prompts.chat_template)
    knobs = params.format_prompts.model_copy(update={"max_prompt_tokens": UNLIMITED})
    frame = prompt_frame(tokenizer, knobs)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    return Lengths(
        [len(tokenize_prompt(tokenizer, text, knobs, frame)) for text in rows["conversation"]],
        [len(tokenize_summary(tokenizer, text, knobs)) for text in references],
        config.get("max_position_embeddings"),
        False,
    )


def estimate(text: str) -> int:
    """Four letters of English a token; of other scripts small tokenizers take a token a letter."""
    plain = sum(character < "\x80" for character in text)
    return round(plain / 4) + len(text) - plain
