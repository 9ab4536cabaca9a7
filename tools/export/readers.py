"""Config and tokenizer config as older readers want them too.

transformers 5 renamed what transformers 4, vLLM and llama.cpp's converter read under the old names,
and they fall back on defaults of their own without a word. Here both names stand side by side.
"""

import json
from pathlib import Path

OF_THE_BASE = ("quantization_config", "auto_map", "_name_or_path", "transformers_version")
# What transformers 5 writes into a tokenizer's config for itself.
OF_VERSION_5 = ("backend", "is_local", "local_files_only")


def read_json(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def readable_config(config: dict, base: dict, aliases: dict[str, str], tied: bool) -> dict:
    """`config.json` as transformers 5 wrote it, with what others look for.

    Keys of `base`, the base model's own config.json, that are lacking come back if it is a config
    of the same kind. `aliases` are names that a config class takes for another (`attribute_map`):
    those of version 5 may be the only ones of version 4. `tied`: whether input and output embeddings
    are the same weights; version 4 takes them for tied where nothing is said.
    """
    if base.get("model_type") == config.get("model_type"):
        config = {k: v for k, v in base.items() if k not in OF_THE_BASE} | config
    config |= {"torch_dtype": config["dtype"], "tie_word_embeddings": tied}
    others = {alias: config[name] for alias, name in aliases.items() if name in config}
    others |= rope_of_version_4(config)
    return config | {name: value for name, value in others.items() if config.get(name) is None}


def rope_of_version_4(config: dict) -> dict:
    """`rope_parameters` in the keys that were there before: `rope_theta`, `rope_scaling` and so on.

    Where layers differ, `rope_parameters` has an entry for each kind of them.
    """
    rope, kind = config.get("rope_parameters") or {}, config.get("model_type", "")
    local = rope.get("sliding_attention") or {}
    rope = rope.get("full_attention") or rope
    if "rope_theta" not in rope:
        return {}
    base, share = rope["rope_theta"], rope.get("partial_rotary_factor")
    names = {"rope_theta": base}
    if local:
        names["rope_local_base_freq"] = local["rope_theta"]
    if share is not None:
        names["partial_rotary_factor"] = share
    if kind.startswith("gpt_neox"):
        names |= {"rotary_emb_base": base, "rotary_pct": share}
    if rope.get("rope_type", "default") != "default":
        left_out = ("rope_theta", "partial_rotary_factor")
        names["rope_scaling"] = {k: v for k, v in rope.items() if k not in left_out}
    if kind.startswith("phi3") and "rope_scaling" in names:  # it takes these three alone
        names["original_max_position_embeddings"] = rope["original_max_position_embeddings"]
        names["rope_scaling"] = {key: rope[key] for key in ("short_factor", "long_factor")}
        names["rope_scaling"]["type"] = rope["rope_type"]
    return names


def readable_tokenizer_config(config: dict, tokenizer: dict) -> dict:
    """`tokenizer_config.json` for a tokenizer that is all in `tokenizer`, its `tokenizer.json`."""
    config = {key: value for key, value in config.items() if key not in OF_VERSION_5}
    # It reads tokenizer.json as it is; a model's own class may build something else of it.
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):  # version 4 wants a mapping there
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    # Version 4 changes the tokenizer where this is not said.
    before = tokenizer.get("pre_tokenizer") or {}
    if "add_prefix_space" in before:
        config["add_prefix_space"] = before["add_prefix_space"]
    return config
