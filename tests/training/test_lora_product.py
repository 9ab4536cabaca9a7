"""A layer and its adapter as one product give peft's outputs and gradients, where they apply."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import GPT2Config, LlamaConfig, MixtralConfig, Qwen2Config

from stages.training.lora_product import LoraProduct, use_one_product
from tests.training.test_lora import FP32, load_lora, params, saved  # noqa: F401, a fixture

SMALL = {"vocab_size": 259, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL |= {"intermediate_size": 128, "initializer_range": 0.2, "num_key_value_heads": 2}
IDS = torch.tensor([[5, 9, 12, 7, 30, 41]])


def adapted(width: int, out: int, rank: int, bias: bool, dtype=torch.float32, dropout=0.0):
    """A layer as peft has it, and the same as one product; the adapter does something."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(width, out, bias=bias, dtype=dtype))
    config = LoraConfig(r=rank, lora_alpha=3 * rank, target_modules=["0"], lora_dropout=dropout)
    peft = get_peft_model(model, config)
    nn.init.normal_(peft.base_model.model[0].lora_B["default"].weight)
    ours = copy.deepcopy(peft)
    use_one_product(ours)
    return peft, ours


def run(model, x: torch.Tensor, wanted: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    y = model(x)
    (y.float() * wanted).sum().backward()
    return [y, x.grad, *(p.grad for p in model.parameters() if p.requires_grad)]


@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(1, 5), max_size=3),
    width=st.integers(1, 40),
    out=st.integers(1, 40),
    rank=st.integers(1, 8),
    bias=st.booleans(),
)
def test_outputs_and_gradients_are_those_of_peft(shape, width, out, rank, bias):
    x, wanted = torch.randn(*shape, width), torch.randn(*shape, out)
    peft, ours = (run(model, x, wanted) for model in adapted(width, out, rank, bias))
    assert len(ours) == 4
    for mine, theirs in zip(ours, peft, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("base", [torch.float32, torch.bfloat16])
def test_under_autocast_types_and_values_are_those_of_peft(given, base):
    x, wanted = torch.randn(2, 9, 64, dtype=given), torch.randn(2, 9, 48)
    with torch.autocast("cpu", torch.bfloat16):
        peft, ours = (run(model, x, wanted) for model in adapted(64, 48, 8, True, base))
    for mine, theirs in zip(ours, peft, strict=True):
        assert mine.dtype == theirs.dtype
        off = (mine - theirs).float().norm() / theirs.float().norm()
        assert off < 0.02  # bf16 has steps of 0.004


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SMALL),
        Qwen2Config(**SMALL),  # biases
        MixtralConfig(**SMALL, num_local_experts=4),
        GPT2Config(vocab_size=259, n_embd=64, n_layer=2, n_head=4),  # Conv1D: stays peft's
    ],
    ids=lambda config: config.model_type,
)
@pytest.mark.parametrize("last_layers", [None, 1])
def test_a_model_learns_the_same(config, last_layers, saved, monkeypatch):  # noqa: F811
    base = saved(config)

    def gradients(change) -> list[torch.Tensor]:
        model = load_lora(base, params(last_layers=last_layers), FP32)
        change(model)
        torch.manual_seed(1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.1)
        loss = model(input_ids=IDS, labels=IDS).loss
        loss.backward()
        return [loss.detach(), *(p.grad for p in model.parameters() if p.requires_grad)]

    calls = []
    forward = LoraProduct.forward
    monkeypatch.setattr(
        LoraProduct, "forward", staticmethod(lambda *args: calls.append(1) or forward(*args))
    )
    ours = gradients(use_one_product)
    assert bool(calls) == (config.model_type != "gpt2")
    for mine, theirs in zip(ours, gradients(lambda model: None), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_an_output_may_be_changed_in_place():
    x, wanted = torch.randn(2, 5, 16), torch.randn(2, 5, 12)

    def change(_module, _inputs, output: torch.Tensor) -> None:
        output *= 3  # as Gemma 3n does

    peft, ours = adapted(16, 12, 4, True)
    for model in (peft, ours):
        model.base_model.model[0].register_forward_hook(change)
    for mine, theirs in zip(run(ours, x, wanted), run(peft, x, wanted), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_what_peft_does_besides_stays_its_own():
    peft, ours = adapted(16, 16, 4, True, dropout=0.5)
    assert "forward" not in vars(ours.base_model.model[0])
    peft, ours = adapted(16, 16, 4, True)
    x = torch.randn(3, 16)
    with ours.disable_adapter():
        plain = ours(x)
    assert torch.equal(plain, peft.base_model.model[0].base_layer(x))
    ours.merge_adapter()
    torch.testing.assert_close(ours(x), peft(x))
