"""What the config of a base model says: whether it is a decoder, its class, its context, its end."""

import json
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
)

from stages.common.cli import UserError

# What the libraries raise for a file that is truncated, of another kind or not valid.
LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError)
LOAD_ERRORS += (TypeError, AttributeError)  # a dtype that torch does not have, a list for a config
# Asked in this order.
AUTO = {
    AutoModelForCausalLM: MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoModelForImageTextToText: MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
}
# The names that configs have for the tokens that a model takes at most.
CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "context_length")

# Ways of a generation config to search that params.yaml has not. What it forbids or forces stays.
OTHER_SEARCH = ("penalty_alpha", "dola_layers", "prompt_lookup_num_tokens", "assistant_early_exit")
OTHER_SEARCH += ("num_return_sequences", "return_dict_in_generate", "token_healing")
OTHER_SEARCH += ("stop_strings", "max_time", "low_memory", "num_beam_groups", "diversity_penalty")
OTHER_SEARCH += ("constraints", "force_words_ids")
OTHER_SEARCH += ("min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
GENERATION = "generation_config.json"
LONG = "longrope"  # Phi-3 with 128k: other positions from so many tokens on


def load_config(folder: str | Path):
    """The config of a decoder-only model; a `UserError` for one that cannot be read or is none."""
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise load_error(folder, error) from None
    writes = hasattr(config.get_text_config(decoder=True), "vocab_size")
    known = any(type(config) in kinds for kinds in AUTO.values())
    if config.is_encoder_decoder or not (known and writes):
        raise UserError(
            f"{folder} holds no decoder that transformers can build ({config.model_type}):"
            " choose another one in fetch.model"
        )
    return config


def auto_class(config):
    """The class of transformers that loads a model for its text."""
    return next(auto for auto, kinds in AUTO.items() if type(config) in kinds)


def check_context(config, prompt_tokens: int, new_tokens: int, key: str) -> None:
    """Raise a `UserError` where a prompt and what follows are longer than the base model's context,
    or than what it has one kind of positions for.

    `key` is the param that says `new_tokens`.
    """
    text = config.get_text_config(decoder=True)
    found = (getattr(text, name, None) for name in CONTEXT)
    limit = next((n for n in found if isinstance(n, int) and n > 0), None)
    lengths = f"format_prompts.max_prompt_tokens {prompt_tokens} and {key} {new_tokens}"
    if limit and prompt_tokens + new_tokens > limit:
        which = "the first" if 2 * new_tokens <= limit else "both"
        raise UserError(
            f"{lengths} are more than the {limit} tokens that the base model takes: lower {which}"
        )
    # All rows of a batch turn with the longest one, so each would have another result alone.
    rope = getattr(text, "rope_parameters", None) or {}
    turn = rope.get("original_max_position_embeddings") if rope.get("rope_type") == LONG else None
    if turn and prompt_tokens + new_tokens > turn:
        raise UserError(
            f"{lengths} are more than the {turn} tokens from which the base model turns to other"
            f" positions ({LONG}): lower the first"
        )


def eos_token_id(folder: str | Path) -> int | None:
    """The first EOS that a model folder's configs name."""
    for name in (GENERATION, "config.json"):
        ids = read_config(Path(folder) / name).get("eos_token_id")
        ids = [ids] if isinstance(ids, int) else ids or []
        if ids and ids[0] >= 0:
            return ids[0]
    return None


def read_config(file: Path) -> dict:
    """One of a model folder's configs as it stands there; an absent one says nothing."""
    try:
        config = json.loads(file.read_text("utf-8")) if file.exists() else {}
    except ValueError as error:  # a UnicodeDecodeError is one, too
        raise UserError(f"{file} is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"{file} holds no JSON object")
    return config


def load_error(folder: str | Path, error: Exception) -> UserError:
    return UserError(f"{folder} holds no model that loads: {first_line(error)}")


def tokenizer_error(folder: str | Path, error: Exception) -> UserError:
    files = [Path(folder) / name for name in ("tokenizer.json", "tokenizer.model")]
    there = [file.exists() for file in files]
    if there == [False, True] and not find_spec("sentencepiece"):  # transformers names tiktoken
        reason = f"{files[1]} is no JSON and takes another package: pip install sentencepiece"
        return UserError(reason)
    return UserError(f"{folder} holds no tokenizer that loads: {first_line(error)}")


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
