"""Malformed base models and adapters: a sentence each."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from stages.common.cli import UserError
from tests.helpers.data import GONE, project


def copied(llama: Path, to: Path) -> Path:
    shutil.copytree(llama, to)
    return to


def edit_json(file: Path, **changes) -> None:
    content = json.loads(file.read_text("utf-8")) | changes
    content = {key: value for key, value in content.items() if value is not GONE}
    file.write_text(json.dumps(content), encoding="utf-8")


BASES = {
    "no tokenizer": lambda f: [p.unlink() for p in f.glob("*token*")],
    "tokenizer is no JSON": lambda f: (f / "tokenizer.json").write_text("{"),
    "tokenizer is another's": lambda f: (f / "tokenizer.json").write_text("{}"),
    "no EOS": lambda f: [
        edit_json(f / "tokenizer_config.json", eos_token=GONE),
        edit_json(f / "config.json", eos_token_id=None),
        (f / "generation_config.json").unlink(),
    ],
    "tokenizer of Python alone": lambda f: [
        (f / "tokenizer.json").unlink(),
        edit_json(f / "tokenizer_config.json", tokenizer_class="ByT5Tokenizer"),
        edit_json(f / "config.json", vocab_size=500),
    ],
    "tokens without embedding": lambda f: edit_json(f / "config.json", vocab_size=200),
    "an encoder-decoder": lambda f: edit_json(f / "config.json", model_type="t5"),
    "code of its own": lambda f: edit_json(
        f / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.MyConfig"}
    ),
    "quantised for a package": lambda f: edit_json(
        f / "config.json", quantization_config={"quant_method": "compressed-tensors"}
    ),
    "no config": lambda f: (f / "config.json").unlink(),
    "config is no JSON": lambda f: (f / "config.json").write_text("{"),
    "config of no model": lambda f: edit_json(f / "config.json", model_type="unheard-of"),
    "a dtype that torch lacks": lambda f: edit_json(f / "config.json", dtype="float12"),
    "generation config is a list": lambda f: (f / "generation_config.json").write_text("[]"),
    "no EOS but in a file that is no JSON": lambda f: [
        edit_json(f / "tokenizer_config.json", eos_token=GONE),
        (f / "generation_config.json").write_bytes(b"\xff{"),
    ],
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "empty weights": lambda f: (f / "model.safetensors").write_bytes(b""),
    "weights cut short": lambda f: (f / "model.safetensors").write_bytes(
        (f / "model.safetensors").read_bytes()[:5000]
    ),
    "pickled weights": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
    "weights of fewer layers": lambda f: edit_json(f / "config.json", num_hidden_layers=3),
    "weights of other shapes": lambda f: edit_json(f / "config.json", hidden_size=32),
}


@pytest.mark.parametrize("name", BASES)
def test_base_models(tmp_path, tiny_llama, name):
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_base, load_tokenizer

    folder = copied(tiny_llama, tmp_path / "base")
    BASES[name](folder)
    with pytest.raises(UserError) as error:
        load_tokenizer(folder)
        load_base(folder, "none", choose_hardware("fp32"))
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_a_tokenizer_that_does_not_tell_where_its_tokens_stand_is_refused(tmp_path, tiny_llama):
    """Not after minutes, at the first conversation that is too long."""
    from stages.model.loading import load_tokenizer

    folder = copied(tiny_llama, tmp_path / "base")
    BASES["tokenizer of Python alone"](folder)
    with pytest.raises(UserError, match=r"ByT5Tokenizer.* choose a base model .*tokenizer\.json$"):
        load_tokenizer(folder)


def test_a_sentencepiece_tokenizer_names_its_package(tmp_path, tiny_llama, monkeypatch):
    from stages.model import base_config, loading

    folder = copied(tiny_llama, tmp_path / "base")
    for file in folder.glob("*token*"):
        file.unlink()
    (folder / "tokenizer.model").write_bytes(b"\n\x0e\n\x05<unk>")
    monkeypatch.setattr(base_config, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"tokenizer\.model is no JSON .* pip install sentencepiece"
    ):
        loading.load_tokenizer(folder)


def test_tokenizer_without_pad_takes_eos(tmp_path, tiny_llama):
    from stages.model.loading import load_tokenizer

    tokenizer = load_tokenizer(copied(tiny_llama, tmp_path / "base"))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id is not None


def test_a_pad_token_that_the_model_has_no_embedding_for_is_not_used(tmp_path, tiny_llama):
    from transformers import AutoTokenizer

    from stages.model.loading import load_tokenizer

    folder = copied(tiny_llama, tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    assert tokenizer.pad_token_id == 259
    tokenizer.save_pretrained(folder)
    assert load_tokenizer(folder).pad_token == "</s>"


@pytest.mark.parametrize("ids", [[1, 2], -1, []])
def test_a_tokenizer_without_eos_takes_the_one_that_the_model_names(tmp_path, tiny_llama, ids):
    from stages.model.loading import load_tokenizer

    folder = copied(tiny_llama, tmp_path / "base")
    edit_json(folder / "tokenizer_config.json", eos_token=GONE)
    edit_json(folder / "generation_config.json", eos_token_id=ids)
    assert load_tokenizer(folder).eos_token == "</s>"


def test_a_base_that_would_search_otherwise_searches_as_the_params_say(tmp_path, tiny_llama):
    from transformers import set_seed

    from stages.model.decoding import generate_shared
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_base

    folder = copied(tiny_llama, tmp_path / "base")
    odd = {"penalty_alpha": 0.6, "return_dict_in_generate": True, "stop_strings": ["e"]}
    odd |= {"min_p": 1.0, "typical_p": 0.1, "low_memory": True, "num_beam_groups": 2}
    edit_json(folder / "generation_config.json", **odd, max_time=0.0, token_healing=True)
    models = [load_base(base, "none", choose_hardware("fp32")) for base in (tiny_llama, folder)]
    for options in ({}, {"num_beams": 2}, {"do_sample": True, "top_k": 0}):
        plain, ours = (
            (set_seed(1), generate_shared(model, [[5, 9, 12]], 1, 8, **options))[1]
            for model in models
        )
        assert plain.tolist() == ours.tolist(), options
    plain = generate_shared(models[0], [[5, 9, 12]], 1, 8)
    # What it forbids is forbidden.
    edit_json(folder / "generation_config.json", suppress_tokens=[plain[0, 0].item()])
    model = load_base(folder, "none", choose_hardware("fp32"))
    assert generate_shared(model, [[5, 9, 12]], 1, 8)[0, 0] != plain[0, 0]


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "gpt2", "n_positions": 100},
        {"model_type": "opt", "max_position_embeddings": 100},
        {"model_type": "mpt", "max_seq_len": 100},
        {"model_type": "gemma3", "text_config": {"max_position_embeddings": 100}},
    ],
    ids=lambda config: config["model_type"],
)
def test_a_prompt_beyond_the_context_is_refused(tmp_path, config):
    from stages.model.base_config import check_context, load_config

    (tmp_path / "config.json").write_text(json.dumps(config))
    check_context(load_config(tmp_path), 60, 40, "generate.max_new_tokens")
    with pytest.raises(
        UserError, match=r"tokens 61 and .*max_new_tokens 40 are .*lower the first$"
    ):
        check_context(load_config(tmp_path), 61, 40, "generate.max_new_tokens")
    with pytest.raises(UserError, match=r"max_new_tokens 120 are .*lower both$"):
        check_context(load_config(tmp_path), 61, 120, "generate.max_new_tokens")


def test_a_prompt_that_turns_the_positions_of_its_batch_is_refused(tmp_path):
    from stages.model.base_config import check_context, load_config

    rope = {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 4}
    config = {"model_type": "phi3", "rope_scaling": rope, "max_position_embeddings": 4096, **sizes}
    config["original_max_position_embeddings"] = 100
    (tmp_path / "config.json").write_text(json.dumps(config))
    check_context(load_config(tmp_path), 60, 40, "generate.max_new_tokens")
    with pytest.raises(UserError, match=r"61 and .* 40 are more than the 100 tokens from which"):
        check_context(load_config(tmp_path), 61, 40, "generate.max_new_tokens")


def adapter(folder: Path, hidden: int = 64) -> Path:
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=259,
        hidden_size=hidden,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    get_peft_model(LlamaForCausalLM(config), lora).save_pretrained(folder)
    return folder


ADAPTERS = {
    "another base's": lambda f: adapter(f, hidden=32),
    "no config": lambda f: (adapter(f) / "adapter_config.json").unlink(),
    "config is no JSON": lambda f: (adapter(f) / "adapter_config.json").write_text("{"),
    "config of another method": lambda f: edit_json(
        adapter(f) / "adapter_config.json", peft_type="X"
    ),
    "no weights": lambda f: (adapter(f) / "adapter_model.safetensors").unlink(),
    "empty weights": lambda f: (adapter(f) / "adapter_model.safetensors").write_bytes(b""),
    "modules the base lacks": lambda f: edit_json(
        adapter(f) / "adapter_config.json", target_modules=["c_attn"]
    ),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters(tmp_path, tiny_llama, name):
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_base, load_tuned

    ADAPTERS[name](tmp_path / "adapter")
    base = load_base(tiny_llama, "none", choose_hardware("fp32"))
    with pytest.raises(UserError) as error:
        load_tuned(base, tmp_path / "adapter")
    assert str(tmp_path / "adapter") in str(error.value) and "\n" not in str(error.value)


def test_generate_names_what_it_takes(tmp_path, monkeypatch):
    from stages import generate

    project(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["generate", "both"])
    with pytest.raises(UserError, match=r"usage: python -m stages\.generate base|tuned"):
        generate.main()
