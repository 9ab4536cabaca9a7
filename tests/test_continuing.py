"""Continuations that share a prompt's row are those that `generate` writes for it alone."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    MambaConfig,
    MistralConfig,
)

from stages.common import continuing
from stages.common.attention import PRODUCTS
from stages.common.continuing import continued
from stages.common.models import choose_hardware, load_base

PROMPTS = [[0, *range(20, 20 + n)] for n in (9, 30, 14, 30, 1, 17, 23, 11, 0, 0)]
PAD, ROOM = 2, 9
BEAMS = {"length_penalty": 1.4, "early_stopping": True}


def alone(model, prompt: list[int], **options) -> list[int]:
    ids = torch.tensor([prompt], device=model.device)
    options |= {"max_new_tokens": ROOM, "pad_token_id": PAD, "use_cache": False}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :]


def assert_same(model, **options):
    made = continued(model, PROMPTS, PAD, ROOM, **options)
    assert len(made) == len(PROMPTS)
    for prompt, ids in zip(PROMPTS, made, strict=True):
        expected = alone(model, prompt, **options).tolist()
        assert ids.tolist() == expected + [PAD] * (len(ids) - len(expected))
    assert len({tuple(ids) for ids in made.tolist()}) > 3  # or a mix-up would not show


@pytest.fixture
def cached(monkeypatch) -> list[int]:
    """Rows of the cache at each step."""
    rows = []

    class Watched(continuing.Rows):
        def fold(self, decoder, given, named):
            rows.append(len(named["past_key_values"].layers[0].keys))
            return super().fold(decoder, given, named)

    monkeypatch.setattr(continuing, "Rows", Watched)
    return rows


@pytest.mark.parametrize("beams", [{"num_beams": 1}, {"num_beams": 4, **BEAMS}], ids=["1", "4"])
@pytest.mark.parametrize("attention", ["sdpa", PRODUCTS])
def test_they_grow_in_one_row_a_prompt(tiny_llama, cached, attention, beams):
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    model.set_attn_implementation(attention)
    assert_same(model, do_sample=False, **beams)
    assert set(cached) == {len(PROMPTS)}


SMALL = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
MODELS = {
    "input ids by position": GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=4),
    "a window": MistralConfig(**SMALL, **HEADS, intermediate_size=64, sliding_window=8),
    "a state": MambaConfig(**SMALL, state_size=8),
    "an attention of its own": BloomConfig(vocab_size=100, hidden_size=32, n_layer=2, n_head=4),
}


@pytest.mark.parametrize("kind", MODELS)
def test_only_a_model_that_a_mask_keeps_apart_shares_rows(cached, kind):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(MODELS[kind]).eval()
    assert_same(model, num_beams=4, do_sample=False, **BEAMS)
    assert bool(cached) == (kind == "input ids by position")
