"""Attention as matrix products is the attention of PyTorch's own kernel, and so are its gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import Module
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from stages.model import attention
from stages.model.attention import MATMUL, matmul_attention
from stages.model.hardware import Hardware
from stages.model.loading import load_base

BOTH = (matmul_attention, sdpa_attention_forward)


class Layer(Module):
    num_key_value_groups = 3


def run(attend, tensors, mask):
    """Output and gradients of one attention over the same tensors."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    output, _ = attend(Layer(), *leaves, mask, scaling=0.125)
    output.square().sum().backward()
    return [output.detach(), *(leaf.grad for leaf in leaves)]


@given(
    rows=st.integers(1, 3),
    length=st.integers(1, 20),
    more=st.integers(0, 9),
    scores=st.sampled_from([1, 500, 2**20]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_output_and_gradients_are_those_of_the_fused_kernel(rows, length, more, scores, seed):
    random = torch.Generator().manual_seed(seed)
    query = torch.randn(rows, 6, length, 8, generator=random)
    key, value = torch.randn(2, rows, 2, length + more, 8, generator=random)
    mask = torch.rand(rows, 1, length, length + more, generator=random) < 0.5
    mask[..., 0] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "CHUNK_SCORES", scores)
        ours, theirs = (run(attend, (query, key, value), mask) for attend in BOTH)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_what_the_fused_kernel_does_better_goes_to_it(monkeypatch):
    query, key, value = torch.randn(1, 6, 4, 8), torch.randn(1, 2, 4, 8), torch.randn(1, 2, 4, 8)
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()
    expected = matmul_attention(Layer(), query, key, value, mask, scaling=0.125)[0]
    called = []
    monkeypatch.setattr(
        attention,
        "sdpa_attention_forward",
        lambda *args, **kwargs: called.append(1) or sdpa_attention_forward(*args, **kwargs),
    )
    causal = matmul_attention(Layer(), query, key, value, None, scaling=0.125)[0]
    monkeypatch.setattr(attention, "MAX_FP32_QUERIES", 3)
    many = matmul_attention(Layer(), query, key, value, mask, scaling=0.125)[0]
    half = [tensor.bfloat16() for tensor in (query, key, value)]
    matmul_attention(
        Layer(), *half, mask, scaling=0.125
    )  # its kernel is the slower one at any length
    monkeypatch.setattr(attention, "MAX_KEYS", 3)
    long = matmul_attention(Layer(), *half, mask, scaling=0.125)[0]
    assert called == [1, 1, 1]
    assert torch.allclose(causal, expected, atol=1e-6)
    assert torch.allclose(many, expected, atol=1e-6)
    assert torch.allclose(long.float(), expected, atol=0.02)


def test_a_quantised_layers_dtypes_follow_autocast():
    query, key, value = torch.randn(1, 6, 4, 8), *torch.randn(2, 1, 2, 4, 8).bfloat16()
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = (f(Layer(), query, key, value, mask, scaling=0.125)[0] for f in BOTH)
    assert ours.dtype == theirs.dtype == torch.bfloat16
    assert torch.allclose(ours, theirs, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_models_take_it_on_a_cpu(tiny_llama, dtype):
    model = load_base(tiny_llama, "none", Hardware("cpu", dtype, "it is asked for"))
    assert model.config._attn_implementation == MATMUL
