"""Continuations that share a prompt's row are those that `generate` writes for it alone."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    LogitsProcessorList,
    MambaConfig,
    MistralConfig,
)

from stages.model import decoding as continuing
from stages.model.attention import PRODUCTS
from stages.model.decoding import generate_shared
from stages.model.hardware import choose_hardware
from stages.model.loading import load_base
from stages.training.candidates import Drawing

PROMPTS = [[0, *range(20, 20 + n)] for n in (9, 30, 14, 30, 1, 17, 23, 11, 0, 0)]
PAD, ROOM = 2, 9
BEAMS = {"length_penalty": 1.4, "early_stopping": True}


def alone(model, prompt: list[int], **options) -> list[int]:
    ids = torch.tensor([prompt], device=model.device)
    options |= {"max_new_tokens": ROOM, "pad_token_id": PAD, "use_cache": False}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :]


def assert_same(model, **options):
    made = generate_shared(model, PROMPTS, PAD, ROOM, **options)
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
def test_they_grow_in_one_row_a_prompt(tiny_llama, cached, attention, beams, monkeypatch):
    monkeypatch.setattr(continuing, "MULTIPLE", 4)  # so that the cache grows, too
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    model.set_attn_implementation(attention)
    assert_same(model, do_sample=False, **beams)
    assert set(cached) == {len(PROMPTS)}


def test_nothing_is_computed_of_prompts_that_later_tokens_do_not_need(tiny_llama):
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    lengths, last = [], model.get_decoder().layers[-1].mlp
    with last.register_forward_hook(lambda _, inputs, __: lengths.append(inputs[0].shape[1])):
        generate_shared(model, PROMPTS, PAD, ROOM, do_sample=False)
    assert set(lengths) == {1}


def test_rows_that_have_ended_are_left_out(tiny_llama, cached, monkeypatch):
    monkeypatch.setattr(continuing, "MULTIPLE", 4)
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    texts = generate_shared(model, PROMPTS, PAD, ROOM, do_sample=False).tolist()
    firsts = {token: {text.index(token) for text in texts if token in text} for token in range(512)}
    end = max(firsts, key=lambda token: len(firsts[token]))  # rows end by it one after another
    cached.clear()
    assert_same(model, do_sample=False, eos_token_id=end)
    assert cached[0] == len(PROMPTS) > cached[-1]
    assert cached == sorted(cached, reverse=True)


@pytest.mark.parametrize("copies", [1, 3])
def test_what_is_drawn_is_the_same_whether_rows_are_left_out(
    tiny_llama, cached, monkeypatch, copies
):
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    likely = torch.nn.functional.one_hot(torch.tensor(5), model.config.vocab_size) * 4.0

    def drawn(most: float) -> list[list[int]]:
        monkeypatch.setattr(continuing, "MOST", most)
        cached.clear()
        torch.manual_seed(0)
        ends = [lambda _, scores: (scores + likely).log_softmax(-1), Drawing()]
        options = {"do_sample": False, "logits_processor": LogitsProcessorList(ends)}
        return generate_shared(model, PROMPTS, 5, 30, copies, eos_token_id=5, **options).tolist()

    whole = drawn(0)
    assert set(cached) == {len(PROMPTS)}
    assert drawn(0.9) == whole
    assert len(set(cached)) > 2


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
