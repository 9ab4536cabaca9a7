"""A merge file by file gives the weights of peft's own merge, or says that it cannot."""

import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MixtralConfig

from tools.export import sharded
from tools.export.in_memory import merge_in_memory
from tools.export.sharded import merge_sharded

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 48}
LLAMA = LlamaConfig(**SMALL, intermediate_size=32, tie_word_embeddings=False)
TIED = LlamaConfig(**SMALL, intermediate_size=64, tie_word_embeddings=True)
GPT2 = GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=48, n_positions=64)
MIXTRAL = MixtralConfig(**SMALL, intermediate_size=32, num_local_experts=2, num_key_value_heads=4)
IDS = torch.arange(40)[None]


@pytest.fixture
def folders(tmp_path):
    """The base model, its adapter, and where the merged model goes."""
    (tmp_path / "merged").mkdir()
    return tmp_path / "base", tmp_path / "adapter", tmp_path / "merged"


def adapt(config, folders, **lora) -> torch.Tensor:
    """Write a base model in several files and an adapter that changes it; return their logits."""
    base, adapter, _ = folders
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(base, max_shard_size="12KB")
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **{"r": 4} | lora)).eval()
    for weights in tuned.parameters():
        if weights.requires_grad:
            torch.nn.init.normal_(weights, std=0.2)
    tuned.save_pretrained(adapter)
    with torch.inference_mode():
        return tuned(IDS).logits


def leave_out_embeddings(adapter) -> None:
    """As finetune saves an adapter: without the own weights of an embedding that is adapted."""
    weights = load_file(adapter / "adapter_model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if ".base_layer." not in name}
    save_file(kept, adapter / "adapter_model.safetensors")


def logits(folder) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(IDS).logits


ATTENTION = ["q_proj", "v_proj"]
CASES = {
    "all linear layers": (LLAMA, {"target_modules": "all-linear"}),
    "ranks and alphas of their own": (
        LLAMA,
        {
            "target_modules": ATTENTION,
            "rank_pattern": {"v_proj": 2},
            "alpha_pattern": {"layers.1.self_attn.q_proj": 64},
            "use_rslora": True,
        },
    ),
    "Conv1D": (GPT2, {"target_modules": ["c_attn", "c_proj", "c_fc", "lm_head"]}),
    "saved modules": (
        LLAMA,
        {"target_modules": ATTENTION, "modules_to_save": ["lm_head", "embed_tokens"]},
    ),
    "a saved module that is tied": (
        TIED,
        {"target_modules": ATTENTION, "modules_to_save": ["embed_tokens"]},
    ),
    "LoRA on the embedding": (LLAMA, {"target_modules": [*ATTENTION, "embed_tokens"]}),
    "LoRA on a tied embedding": (TIED, {"target_modules": [*ATTENTION, "embed_tokens"]}),
    "LoRA on a tied head": (TIED, {"target_modules": ["lm_head"]}),
}


@pytest.mark.parametrize("saved_by", ["peft", "finetune"])
@pytest.mark.parametrize(("config", "lora"), CASES.values(), ids=CASES)
def test_logits_are_those_of_base_and_adapter(config, lora, folders, monkeypatch, saved_by):
    monkeypatch.setattr(sharded, "FILE_SIZE", 20_000)
    want = adapt(config, folders, **lora)
    base, adapter, merged = folders
    if saved_by == "finetune":
        leave_out_embeddings(adapter)
    before = logits(base)
    written = merge_sharded(base, adapter, torch.float32, merged)
    written.save_pretrained(merged)
    assert len(list(merged.glob("model-*.safetensors"))) > 1
    assert (logits(merged) - want).norm() < 1e-5 * (want - before).norm()


def test_weights_are_pefts_own_rounded_once(folders):
    adapt(TIED, folders, target_modules="all-linear", alpha_pattern={"q_proj": 3})
    base, adapter, merged = folders
    merge_sharded(base, adapter, torch.bfloat16, merged).save_pretrained(merged)
    got = AutoModelForCausalLM.from_pretrained(merged).state_dict()
    untuned = AutoModelForCausalLM.from_pretrained(base)
    want = PeftModel.from_pretrained(untuned, adapter).merge_and_unload().state_dict()
    assert got.keys() == want.keys()
    for name, weight in want.items():
        assert got[name].dtype == torch.bfloat16
        assert torch.equal(got[name], weight.bfloat16()), name


@pytest.mark.parametrize(
    ("config", "lora"),
    [
        pytest.param(LLAMA, {"target_modules": ATTENTION, "use_dora": True}, id="DoRA"),
        pytest.param(LLAMA, {"target_modules": ATTENTION, "bias": "lora_only"}, id="biases"),
        pytest.param(
            MIXTRAL, {"target_parameters": ["mlp.experts.gate_up_proj"]}, id="fused experts"
        ),
    ],
)
def test_what_it_cannot_merge_is_left_alone(config, lora, folders):
    adapt(config, folders, **lora)
    base, adapter, merged = folders
    assert merge_sharded(base, adapter, torch.float32, merged) is None
    assert not list(merged.iterdir())


def test_weights_under_other_names_are_left_to_the_merge_in_memory(folders):
    """As the hub has GPT-2: without the prefix that the model's own names have."""
    want = adapt(GPT2, folders, target_modules=["c_attn"])
    base, adapter, merged = folders
    AutoModelForCausalLM.from_pretrained(base).transformer.save_pretrained(base)
    for file in base.glob("model-*"):
        file.unlink()
    (base / "model.safetensors.index.json").unlink()
    before = logits(base)
    assert merge_sharded(base, adapter, torch.float32, merged) is None
    merge_in_memory(base, adapter, torch.float32, merged)
    assert (logits(merged) - want).norm() < 1e-5 * (want - before).norm()


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head"])
def test_a_tied_embedding_is_untied_in_memory(folders, target):
    """Else the adapter of one end would change the other as well."""
    want = adapt(TIED, folders, target_modules=[target])
    base, adapter, merged = folders
    leave_out_embeddings(adapter)
    before = logits(base)
    merge_in_memory(base, adapter, torch.float32, merged)
    assert (logits(merged) - want).norm() < 1e-5 * (want - before).norm()


def test_the_index_names_the_file_of_each_weight(folders, monkeypatch):
    monkeypatch.setattr(sharded, "FILE_SIZE", 20_000)
    adapt(LLAMA, folders, target_modules=ATTENTION)
    base, adapter, merged = folders
    merge_sharded(base, adapter, torch.bfloat16, merged)
    index = json.loads((merged / "model.safetensors.index.json").read_text())
    sizes = [file.stat().st_size for file in merged.glob("*.safetensors")]
    assert set(index["weight_map"].values()) == {f.name for f in merged.glob("*.safetensors")}
    assert index["metadata"]["total_size"] < sum(sizes) and max(sizes) < 25_000
