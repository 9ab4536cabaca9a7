"""Malformed base models and adapters: a sentence each."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from stages.common.cli import UserError
from stages.params import Params
from tests.helpers.data import GONE, project
from tests.helpers.project import tiny_params


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
    "no EOS": lambda f: edit_json(f / "tokenizer_config.json", eos_token=GONE),
    "no config": lambda f: (f / "config.json").unlink(),
    "config is no JSON": lambda f: (f / "config.json").write_text("{"),
    "config of no model": lambda f: edit_json(f / "config.json", model_type="unheard-of"),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "empty weights": lambda f: (f / "model.safetensors").write_bytes(b""),
    "weights cut short": lambda f: (f / "model.safetensors").write_bytes(
        (f / "model.safetensors").read_bytes()[:5000]
    ),
    "pickled weights": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
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


@pytest.mark.parametrize("window", [48, None])
def test_a_sliding_window_below_a_row_is_refused(tmp_path, tiny_llama, window):
    from stages.training.base_checks import check_layers

    folder = copied(tiny_llama, tmp_path / "base")
    edit_json(folder / "config.json", model_type="mistral", sliding_window=window)
    params = tiny_params()
    params["finetune"]["max_summary_tokens"] = 16
    params["format_prompts"]["max_prompt_tokens"] = 32
    check_layers(folder, Params.model_validate(params))
    if window:
        params["format_prompts"]["max_prompt_tokens"] = 33
        with pytest.raises(UserError, match=f"window of {window} tokens.*lower format_prompts"):
            check_layers(folder, Params.model_validate(params))


def test_a_base_model_with_recurrent_layers_is_refused(tmp_path):
    from transformers import Lfm2Config

    from stages.training.base_checks import check_layers

    params = Params.model_validate(tiny_params())

    def check(kind: str) -> None:
        layers = ["full_attention", kind]
        Lfm2Config(num_hidden_layers=2, layer_types=layers).save_pretrained(tmp_path)
        check_layers(tmp_path, params)

    check("full_attention")
    with pytest.raises(UserError, match=r"the base model \(lfm2\) has recurrent layers"):
        check("conv")


def test_tokenizer_without_pad_takes_eos(tmp_path, tiny_llama):
    from stages.model.loading import load_tokenizer

    tokenizer = load_tokenizer(copied(tiny_llama, tmp_path / "base"))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id is not None


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
