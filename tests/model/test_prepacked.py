"""Weights laid out ahead multiply as they did before."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn

from stages.model.decoding import generate_shared
from stages.model.hardware import Hardware, choose_hardware
from stages.model.loading import load_base, load_tuned
from stages.model.prepacked import PrepackedLinear, prepack

BF16 = pytest.mark.skipif("has bf16" not in choose_hardware().reason, reason="no CPU with bf16")
PROMPTS = [[0, *range(20, 20 + n)] for n in (9, 30, 14, 1, 17)]


@BF16
@given(
    rows=st.integers(1, 70),
    inputs=st.integers(1, 80),
    outputs=st.integers(1, 80),
    bias=st.booleans(),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_products_are_those_of_the_linear_layer(rows, inputs, outputs, bias, seed):
    torch.manual_seed(seed)
    linear = nn.Linear(inputs, outputs, bias=bias, dtype=torch.bfloat16)
    x = torch.randn(2, rows, inputs, dtype=torch.bfloat16)
    with torch.no_grad():
        assert torch.allclose(PrepackedLinear(linear)(x), linear(x), atol=0.02, rtol=0.01)
    assert torch.equal(PrepackedLinear(linear).weight, linear.weight)  # some models read it


@BF16
def test_a_model_writes_what_it_wrote(tiny_llama):
    model = load_base(tiny_llama, "none", Hardware("cpu", torch.bfloat16, "it is asked for"))
    before = generate_shared(model, PROMPTS, 2, 9, do_sample=False)
    assert prepack(model) is model
    left = [name for name, module in model.named_modules() if type(module) is nn.Linear]
    assert not left
    assert torch.equal(generate_shared(model, PROMPTS, 2, 9, do_sample=False), before)


@BF16
def test_an_adapter_beside_quantised_layers_goes_on(tiny_llama, tmp_path):
    hardware = Hardware("cpu", torch.bfloat16, "it is asked for")
    lora = LoraConfig(target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(load_base(tiny_llama, "none", hardware), lora).save_pretrained(tmp_path)
    model = load_tuned(load_base(tiny_llama, "nf4", hardware), tmp_path).eval()
    before = generate_shared(model, PROMPTS, 2, 9, do_sample=False)
    replaced = [
        name for name, module in prepack(model).named_modules() if type(module) is PrepackedLinear
    ]
    assert replaced == ["base_model.model.lm_head"]
    assert torch.equal(generate_shared(model, PROMPTS, 2, 9, do_sample=False), before)


def test_other_layers_stay(tiny_llama):
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    before = list(model.modules())
    assert list(prepack(model).modules()) == before
