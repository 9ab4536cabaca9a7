"""`generation_config.json`: what `generate` does, so that the model answers alike without being told.

Written as JSON by hand: greedy search is `temperature` 0 for vLLM, which samples at 1.0 where the
file is silent; `transformers` reads this next to `do_sample: false`, but refuses to write it.
"""

from pathlib import Path

from stages.model.base_config import GENERATION, OTHER_SEARCH, read_config
from stages.params import Generate

SEARCH = ("max_new_tokens", "num_beams", "no_repeat_ngram_size", "repetition_penalty")
SAMPLING = ("temperature", "top_p", "top_k")
# Of the base model's own file: what others of these replace, and what is of no use.
LEFT_OUT = ("max_length", "transformers_version", "_from_model_config", *OTHER_SEARCH)


def generation_config(base: Path, tokenizer, knobs: Generate) -> dict:
    """`generate` of params.yaml over what the base model's own generation config says besides."""
    config = read_config(base / GENERATION)
    left_out = LEFT_OUT if knobs.do_sample else LEFT_OUT + SAMPLING
    config = {key: value for key, value in config.items() if key not in left_out}
    config |= {key: getattr(knobs, key) for key in SEARCH}
    config["do_sample"] = knobs.do_sample
    if knobs.do_sample:
        config |= {"temperature": knobs.temperature, "top_p": knobs.top_p, "top_k": 0}
    else:
        config["temperature"] = 0.0
    if knobs.num_beams > 1:
        config |= {"length_penalty": knobs.length_penalty, "early_stopping": True}
    if knobs.min_new_tokens:
        config["min_new_tokens"] = knobs.min_new_tokens
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    ids["pad_token_id"] = tokenizer.pad_token_id
    return config | {name: number for name, number in ids.items() if number is not None}
