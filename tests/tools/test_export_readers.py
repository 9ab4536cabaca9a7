"""What older readers look for stands in the exported configs, beside what transformers 5 reads."""

import pytest
import torch
from transformers import (
    AutoConfig,
    Gemma3TextConfig,
    GPTNeoXConfig,
    LlamaConfig,
    Phi3Config,
    Qwen3MoeConfig,
    StableLmConfig,
)

from stages.common.atomic_io import write_json
from tools.export.readers import read_json, readable_config, readable_tokenizer_config

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 1024,
}
LONG = {"short_factor": [1.5] * 4, "long_factor": [3.0] * 4, "rope_theta": 20000.0}
TWO_KINDS = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3e6},
    "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0},
}
PHI = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 4}
FAMILIES = {
    "theta": (
        LlamaConfig(rope_parameters={"rope_type": "default", "rope_theta": 100000.0}),
        {"rope_theta": 100000.0},
    ),
    "scaled": (
        LlamaConfig(rope_parameters=LLAMA3, max_position_embeddings=8192),
        {
            "rope_theta": 500000.0,
            "rope_scaling": {k: v for k, v in LLAMA3.items() if k != "rope_theta"},
        },
    ),
    "two kinds of layers": (
        Gemma3TextConfig(rope_parameters=TWO_KINDS),
        {
            "rope_theta": 3e6,
            "rope_local_base_freq": 20000.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
    "a part of each head": (
        StableLmConfig(
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 70000.0,
                "partial_rotary_factor": 0.5,
            }
        ),
        {"rope_theta": 70000.0, "partial_rotary_factor": 0.5},
    ),
    "experts": (
        Qwen3MoeConfig(num_experts=4, rope_parameters={"rope_type": "default", "rope_theta": 9.0}),
        {"num_experts": 4, "num_local_experts": 4},
    ),
    "names of GPT-NeoX": (
        GPTNeoXConfig(
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 70000.0,
                "partial_rotary_factor": 0.5,
            }
        ),
        {"rotary_emb_base": 70000.0, "rotary_pct": 0.5},
    ),
    "Phi-3's three keys": (
        Phi3Config(
            **PHI,
            rope_parameters=LONG | {"rope_type": "longrope"},
            original_max_position_embeddings=64,
            max_position_embeddings=256,
            pad_token_id=0,
        ),
        {
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.5] * 4,
                "long_factor": [3.0] * 4,
            },
            "rope_theta": 20000.0,
            "original_max_position_embeddings": 64,
        },
    ),
}


@pytest.mark.parametrize(("config", "expected"), FAMILIES.values(), ids=FAMILIES)
def test_the_old_names_are_there_and_version_5_reads_the_same(config, expected, tmp_path):
    config.dtype = torch.bfloat16
    config.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    written = readable_config(read_json(file), {}, config.attribute_map, tied=False)
    assert written | expected == written
    write_json(file, written)
    read = AutoConfig.from_pretrained(tmp_path)
    assert config.rope_parameters.items() <= read.rope_parameters.items()
    assert read.dtype == config.dtype and not read.tie_word_embeddings


def test_what_the_base_models_author_wrote_stays():
    saved = {"model_type": "llama", "dtype": "bfloat16", "vocab_size": 9, "rope_parameters": None}
    base = saved | {"vocab_size": 8, "rope_theta": 5.0, "torch_dtype": "float16"}
    base |= {"quantization_config": {}, "auto_map": {}}
    written = readable_config(saved, base, {}, tied=True)
    assert written["rope_theta"] == 5.0 and written["vocab_size"] == 9
    assert written["torch_dtype"] == "bfloat16"
    assert not {"quantization_config", "auto_map"} & written.keys()
    other = readable_config(saved, base | {"model_type": "llava"}, {}, tied=True)
    assert "rope_theta" not in other


def test_a_tokenizers_config_has_nothing_that_version_4_stumbles_over():
    config = {"tokenizer_class": "TokenizersBackend", "backend": "tokenizers", "is_local": True}
    config |= {"eos_token": "</s>", "extra_special_tokens": ["<a>", "<b>"]}
    tokenizer = {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}
    assert readable_tokenizer_config(config, tokenizer) == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "additional_special_tokens": ["<a>", "<b>"],
        "add_prefix_space": True,
    }
