"""Which layers of a base model are adapted, and that the adapter is the same where it is used."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    LlamaConfig,
    MambaConfig,
    Phi3Config,
)

from stages.common.cli import UserError
from stages.model.hardware import Hardware
from stages.model.loading import load_base, load_tuned
from stages.model.quantization import keep_layout
from stages.params import Params
from stages.training.adapter import save_weights
from stages.training.lora import describe, load_lora
from tests.helpers.project import tiny_params

FP32 = Hardware("cpu", torch.float32, "a test")
SMALL = {"vocab_size": 259, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL |= {"intermediate_size": 128, "initializer_range": 0.2}
LLAMA = LlamaConfig(**SMALL, num_key_value_heads=2)
TIED = LlamaConfig(**SMALL, num_key_value_heads=2, tie_word_embeddings=True)
IDS = torch.tensor([[5, 9, 12, 7, 30, 41]])


def params(targets="all-linear", last_layers=None, quantization="none") -> Params:
    raw = tiny_params()
    raw["finetune"]["lora"] |= {"target_modules": targets, "last_layers": last_layers}
    raw["model"]["quantization"] = quantization
    return Params.model_validate(raw)


@pytest.fixture
def saved(tmp_path):
    def save(config):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "base")
        return tmp_path / "base"

    return save


def adapted(model) -> list[str]:
    names = (n for n, module in model.named_modules() if hasattr(module, "lora_A"))
    return [name.removeprefix("base_model.model.") for name in names]


def test_every_linear_layer_but_the_output_is_adapted(saved):
    model = load_lora(saved(Phi3Config(**SMALL, pad_token_id=0)), params(), FP32)
    kinds = ["self_attn.o_proj", "self_attn.qkv_proj", "mlp.gate_up_proj", "mlp.down_proj"]
    assert adapted(model) == [f"model.layers.{i}.{kind}" for i in (0, 1) for kind in kinds]
    assert describe(model) == "LoRA on 8 layers; the base model has 9 linear ones"


def test_layers_that_peft_cannot_adapt_are_left_out(saved):
    model = load_lora(saved(MambaConfig(**SMALL, state_size=8)), params(), FP32)
    kinds = {name.rpartition(".")[2] for name in adapted(model)}
    assert kinds == {"in_proj", "x_proj"}


def test_only_the_text_part_of_a_model_that_sees_is_loaded_and_adapted(tmp_path):
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 4, "image_size": 28, "patch_size": 14}
    config = Gemma3Config(text_config=SMALL, vision_config=vision, mm_tokens_per_image=4)
    torch.manual_seed(0)
    whole = Gemma3ForConditionalGeneration(config).eval()
    whole.save_pretrained(tmp_path / "base")
    base = load_base(tmp_path / "base", "none", FP32)
    assert not [name for name, _ in base.named_modules() if "vision" in name]
    with torch.no_grad():
        expected = whole(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
        assert torch.allclose(base(input_ids=IDS).logits, expected, atol=1e-5)
    base.save_pretrained(tmp_path / "text")
    again = load_base(tmp_path / "text", "none", FP32)
    with torch.no_grad():
        assert torch.allclose(again(input_ids=IDS).logits, expected, atol=1e-5)
    model = load_lora(tmp_path / "base", params(), FP32)
    assert len(adapted(model)) == 14


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("config", [LLAMA, TIED], ids=["untied", "tied"])
@pytest.mark.parametrize(
    ("targets", "count"),
    [
        (["q_proj", "lm_head"], 3),
        (["embed_tokens", "v_proj"], 3),
        (r".*\.mlp\.(up|down)_proj", 4),
        (["layers.1.mlp.up_proj"], 1),
    ],
)
def test_an_adapter_that_is_saved_is_the_one_that_is_used(
    saved, tmp_path, config, targets, count, quantization
):
    base = saved(config)
    model = load_lora(base, params(targets, quantization=quantization), FP32)
    assert len(adapted(model)) == count
    torch.manual_seed(1)
    with torch.no_grad():
        for name, matrix in model.named_parameters():
            if "lora_" in name:
                matrix.normal_(std=0.1)
        plain = load_base(base, quantization, FP32)(input_ids=IDS).logits
        expected = model(input_ids=IDS).logits
        save_weights(model, tmp_path / "adapter")
        tuned = load_tuned(load_base(base, quantization, FP32), tmp_path / "adapter")
        keep_layout(tuned)  # a CPU repacks 4-bit weights to multiply them in bf16, but not to train
        assert torch.allclose(tuned(input_ids=IDS).logits, expected, atol=1e-4)
        assert (plain - expected).abs().max() > 0.5
        if quantization == "none":
            tuned.save_pretrained(tmp_path / "merged")
            merged = load_base(tmp_path / "merged", "none", FP32)
            assert torch.allclose(merged(input_ids=IDS).logits, expected, atol=1e-4)


def test_gradients_pass_four_bit_weights_after_an_evaluation(saved):
    base = saved(LLAMA)
    quantised = load_lora(base, params(quantization="nf4"), FP32)
    dense = load_base(base, "nf4", FP32).dequantize()
    embedded = quantised.get_input_embeddings()(IDS).detach()
    gradients = []
    for model in (quantised, dense):
        with torch.no_grad():
            model.eval()(input_ids=IDS)  # which a CPU repacks weights for
        inputs = embedded.clone().requires_grad_()
        model.train()(inputs_embeds=inputs, labels=IDS).loss.backward()
        gradients.append(inputs.grad)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_the_last_layers_alone_are_adapted(saved):
    base = saved(LLAMA)
    for targets, count in (("all-linear", 7), (["q_proj", "up_proj"], 2)):
        names = adapted(load_lora(base, params(targets, last_layers=1), FP32))
        assert len(names) == count and all("layers.1." in name for name in names)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (["q_proj", "qkv_proj"], "has no qkv_proj, its linear layers are q_proj, k_proj, v_proj"),
        (r"decoder\..*", "matches no layer of the base model, its linear layers are q_proj"),
        (["input_layernorm"], "has no input_layernorm"),
    ],
)
def test_what_matches_nothing_is_refused(saved, targets, said):
    with pytest.raises(UserError, match=f"finetune.lora.target_modules.*{said}"):
        load_lora(saved(LLAMA), params(targets), FP32)


def test_a_base_that_was_saved_quantised_trains_and_turns_dense(saved, tmp_path):
    from stages.model.loading import load_dense

    base, folder = saved(LLAMA), tmp_path / "quantised"
    quantised = load_base(base, "nf4", FP32)
    quantised.save_pretrained(folder)
    with torch.no_grad():
        expected = quantised(input_ids=IDS).logits
    model = load_lora(folder, params(), FP32)
    assert len(adapted(model)) == 14
    with torch.no_grad():
        assert torch.allclose(model(input_ids=IDS).logits, expected, atol=0.1)
    model.train()(input_ids=IDS, labels=IDS).loss.backward()
    save_weights(model, tmp_path / "adapter")
    merged = load_tuned(load_dense(folder, FP32), tmp_path / "adapter")
    with torch.no_grad():
        assert torch.allclose(merged(input_ids=IDS).logits, expected, atol=0.1)
    merged.save_pretrained(tmp_path / "merged")
    dense = load_base(tmp_path / "merged", "none", FP32)
    assert not getattr(dense, "is_quantized", False)
    with pytest.raises(UserError, match="the base model is quantised already"):
        load_base(folder, "nf4", FP32)
