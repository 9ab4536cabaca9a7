"""Every decoder-only family of transformers as a model of a few thousand random weights."""

from copy import deepcopy

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

MAX_PARAMETERS = 8_000_000  # above, the table below lacks an entry
# Set wherever a config has the name.
TINY = {
    "vocab_size": 259,
    **dict.fromkeys(["hidden_size", "d_model", "n_embd", "embedding_size", "dim"], 32),
    **dict.fromkeys(["intermediate_size", "ffn_dim", "d_ff", "n_inner", "dim_ff"], 64),
    **dict.fromkeys(["encoder_ffn_dim", "decoder_ffn_dim", "ffn_hidden_size"], 64),
    **dict.fromkeys(["num_hidden_layers", "num_layers", "n_layer", "n_layers"], 2),
    **dict.fromkeys(["decoder_layers", "num_decoder_layers"], 2),
    **dict.fromkeys(["encoder_layers", "num_encoder_layers", "depth"], 1),
    **dict.fromkeys(["num_attention_heads", "n_head", "n_heads", "num_heads"], 4),
    **dict.fromkeys(["encoder_attention_heads", "decoder_attention_heads"], 4),
    **dict.fromkeys(["num_encoder_attention_heads", "num_decoder_attention_heads"], 4),
    "num_key_value_heads": 2,
    "head_dim": 8,
    **dict.fromkeys(["max_position_embeddings", "n_positions", "max_seq_len"], 2048),
    **dict.fromkeys(["num_experts", "num_local_experts", "n_routed_experts"], 4),
    **dict.fromkeys(["moe_num_experts"], 4),
    **dict.fromkeys(["num_experts_per_tok", "moe_k"], 2),
    **dict.fromkeys(["moe_intermediate_size", "shared_expert_intermediate_size"], 32),
    **dict.fromkeys(["n_group", "topk_group", "n_shared_experts"], 1),
    **dict.fromkeys(["q_lora_rank", "kv_lora_rank", "qk_head_dim"], 16),
    **dict.fromkeys(["qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"], 8),
    **dict.fromkeys(["state_size", "ssm_state_size", "mamba_d_state"], 8),
    "rotary_dim": 4,
    # Large, so that every part of a model shows in its logits.
    **dict.fromkeys(["initializer_range", "init_std"], 0.2),
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
HYBRID = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_expand": 2}
MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}}
VISION = {
    "image_size": 28,
    "patch_size": 14,
    "out_hidden_size": 32,
    "deepstack_visual_indexes": [0],
}
FOUR = {"num_hidden_layers": 4}  # the last of four is no recurrent one, or shares keys and values
# What else a family's config needs to be small and valid.
MORE = {
    "bamba": HYBRID | {"attn_layer_indices": [1]},
    "cohere_compass_text": {"layer_types": ["full_attention", "sliding_attention"]},
    "deepseek_v2": {"num_experts_per_tok": 2, "topk_method": "greedy"},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
        "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "gemma3n_text": {
        **FOUR,
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": 259,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.9, 0.0, 0.0, 0.0],
    },
    "gemma4_text": {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 259},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": HYBRID
    | {"layer_types": ["mamba", "attention"], "shared_intermediate_size": 32},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    **dict.fromkeys(["qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "qwen4_exp_text"], FOUR),
    **dict.fromkeys(["glm4v_text", "glm4v_moe_text", "glm_ocr_text", "paddleocr_vl_text"], MROPE),
    **dict.fromkeys(
        ["qwen2_vl_text", "qwen2_5_vl_text", "qwen3_vl_text", "qwen3_vl_moe_text"], MROPE
    ),
    "qwen2_vl": {"vision_config": {"embed_dim": 32, "depth": 1, "num_heads": 4, "hidden_size": 32}},
    "kimi_linear": FOUR,
    "bailing_hybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm3": {"layer_types": ["conv", "full_attention"]},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "longcat_flash": {"expert_ffn_hidden_size": 32, "zero_expert_num": 2, "moe_topk": 2},
    "mamba2": {"num_heads": 8, "n_groups": 1, "chunk_size": 16},
    "ministral": {"head_dim": 8},
    "mixtral": {"output_router_logits": True},  # with which it has a loss of its own
    "nemotron": {"head_dim": 8},
    "reformer": {"is_decoder": True},
    "zamba": {"layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"], **FOUR},
    "zamba2": {"layers_block_type": ["mamba", "hybrid"]},
    "zaya": {"num_experts_per_tok": 1},
}


def tiny_config(name: str):
    """The config of a family, small in itself and in the configs that it is made of."""
    kind = CONFIG_MAPPING[name]
    return kind(**tiny_values(kind()))


def tiny_values(default) -> dict:
    """Small values for the names that `default`, a config, has."""
    raw = default.to_dict()
    ids = ("pad_token_id", "bos_token_id", "eos_token_id")
    values = {k: v for k, v in TINY.items() if k in raw and (raw[k] is not None or k in ids)}
    heads = [raw.get(name) for name in ("num_attention_heads", "num_key_value_heads")]
    if heads[0] and heads[0] == heads[1]:
        values["num_key_value_heads"] = TINY["num_attention_heads"]
    for name in default.sub_configs:
        part = getattr(default, name, None)
        if part is not None:
            inside = VISION if "vision" in name else {}
            small = tiny_values(part) | {k: v for k, v in inside.items() if k in part.to_dict()}
            values[name] = small | {"model_type": part.model_type}
    return values | deepcopy(MORE.get(default.model_type, {}))  # configs write into it


def tiny_model(name: str):
    """A model of the family with random weights, in fp32; a `ValueError` where it is not tiny."""
    config = tiny_config(name)
    auto = (
        AutoModelForCausalLM
        if name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        else AutoModelForImageTextToText
    )
    with torch.device("meta"):
        size = sum(p.numel() for p in auto.from_config(config).parameters())
    if size > MAX_PARAMETERS:
        raise ValueError(f"{name} has {size:,} parameters")
    torch.manual_seed(0)
    return auto.from_config(config).eval()


def families() -> list[str]:
    return sorted({*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES})
