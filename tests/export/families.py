"""Tiny models of many families, each with rotary settings that no class has as its default."""

from transformers import (
    CohereConfig,
    DeepseekV3Config,
    Ernie4_5Config,
    Exaone4Config,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    Glm4Config,
    GPT2Config,
    GPTNeoXConfig,
    GptOssConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    NemotronConfig,
    Olmo2Config,
    Olmo3Config,
    OPTConfig,
    Phi3Config,
    PhiConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
    SmolLM3Config,
    StableLmConfig,
    Starcoder2Config,
)

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
}
GROUPED = SIZES | {"num_key_value_heads": 2}
HEADS = GROUPED | {"head_dim": 8}
IDS = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
KINDS = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 16}


def rope(kind: str = "default", **settings: object) -> dict:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 70000.0} | settings}


def yarn(**settings: object) -> dict:
    return rope("yarn", factor=4.0, original_max_position_embeddings=128, **settings)


def part(share: float) -> dict:
    return rope(partial_rotary_factor=share)


LLAMA3 = rope(
    "llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
GEMMA3 = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3e5},
    "sliding_attention": {"rope_type": "default", "rope_theta": 700.0},
}
LONG = rope("longrope", short_factor=[1.5] * 4, long_factor=[3.0] * 4)
MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "v_head_dim": 8}
MLA |= {"qk_rope_head_dim": 8, "qk_nope_head_dim": 8}
EXPERTS = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
EXPERTS |= {"first_k_dense_replace": 1, "moe_intermediate_size": 16}

FAMILIES = {
    "llama": LlamaConfig(**SIZES, **rope(), tie_word_embeddings=False),
    "llama3": LlamaConfig(**SIZES, **LLAMA3, tie_word_embeddings=True),
    "llama_linear": LlamaConfig(**SIZES, **rope("linear", factor=3.0)),
    "qwen2_yarn": Qwen2Config(**GROUPED, **yarn()),
    "qwen3": Qwen3Config(**HEADS, **rope()),
    "qwen3_moe": Qwen3MoeConfig(
        **HEADS, **rope(), num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
    ),
    "mistral": MistralConfig(**GROUPED, **rope(), sliding_window=None),
    "mixtral": MixtralConfig(**GROUPED, **rope(), num_local_experts=2),
    "gemma": GemmaConfig(**HEADS, **rope()),
    "gemma2": Gemma2Config(**HEADS, **rope(), sliding_window=16),
    "gemma3": Gemma3TextConfig(**HEADS, **KINDS, rope_parameters=GEMMA3),
    "phi": PhiConfig(**SIZES, **part(0.25)),
    "phi3": Phi3Config(**SIZES, **IDS, **part(0.5)),
    "phi3_long": Phi3Config(**SIZES, **IDS, **LONG, original_max_position_embeddings=128),
    "gpt_neox": GPTNeoXConfig(**SIZES, **part(0.5)),
    "stablelm": StableLmConfig(**SIZES, **part(0.5), num_key_value_heads=4),
    "glm4": Glm4Config(**HEADS, **IDS, **part(0.5)),
    "cohere": CohereConfig(**SIZES, **rope()),
    "olmo2": Olmo2Config(**SIZES, **rope()),
    "olmo3": Olmo3Config(**SIZES, **KINDS, **yarn()),
    "smollm3": SmolLM3Config(**GROUPED, **IDS, **rope()),
    "granite": GraniteConfig(**SIZES, **rope()),
    "starcoder2": Starcoder2Config(**GROUPED, **rope()),
    "falcon": FalconConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, **rope()
    ),
    "nemotron": NemotronConfig(**GROUPED, **part(0.25)),
    "gpt_oss": GptOssConfig(
        **HEADS, **yarn(truncate=False), num_local_experts=2, num_experts_per_tok=1
    ),
    "deepseek_v3": DeepseekV3Config(
        **SIZES, **MLA, **EXPERTS, **yarn(mscale=1.0, mscale_all_dim=1.0), num_key_value_heads=4
    ),
    "ernie": Ernie4_5Config(**GROUPED, **rope()),
    "exaone4": Exaone4Config(**GROUPED, **KINDS, **rope()),
    "gpt2": GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=512),
    "opt": OPTConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=64,
        word_embed_proj_dim=32,
    ),
}
