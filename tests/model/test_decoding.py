"""Decoding with a shared prefix gives what `generate` gives for each prompt alone."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    LogitsProcessorList,
    MambaConfig,
    MistralConfig,
    RwkvConfig,
)

from stages.common.cli import UserError
from stages.model import decoding, kv_cache, shared_rows
from stages.model.attention import MATMUL
from stages.model.decoding import generate_shared
from stages.model.hardware import choose_hardware
from stages.model.loading import load_base
from stages.training.candidates import SampleOneToken

PROMPTS = [[0, *range(20, 20 + n)] for n in (9, 30, 14, 30, 1, 17, 23, 11, 0, 0)]
PAD, NEW_TOKENS = 2, 9
BEAMS = {"length_penalty": 1.4, "early_stopping": True}


def alone(model, prompt: list[int], **options) -> list[int]:
    ids = torch.tensor([prompt], device=model.device)
    options |= {"max_new_tokens": NEW_TOKENS, "pad_token_id": PAD, "use_cache": False}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :]


def assert_same(model, **options):
    generated = generate_shared(model, PROMPTS, PAD, NEW_TOKENS, **options)
    assert len(generated) == len(PROMPTS)
    for prompt, ids in zip(PROMPTS, generated, strict=True):
        expected = alone(model, prompt, **options).tolist()
        assert ids.tolist() == expected + [PAD] * (len(ids) - len(expected))
    assert len({tuple(ids) for ids in generated.tolist()}) > 3  # or a mix-up would not show


def measured(model):
    """The model, once it is known how it generates: the tests watch what comes after."""
    decoding.choose_strategy(model, decoding.STRATEGIES)
    return model


@pytest.fixture
def cached(monkeypatch) -> list[int]:
    """Rows of the cache at each step."""
    rows = []

    class Watched(decoding.SharedPrefixDecoder):
        def merge_rows(self, decoder, args, kwargs):
            rows.append(len(kwargs["past_key_values"].layers[0].keys))
            return super().merge_rows(decoder, args, kwargs)

    monkeypatch.setattr(decoding, "SharedPrefixDecoder", Watched)
    return rows


@pytest.mark.parametrize("beams", [{"num_beams": 1}, {"num_beams": 4, **BEAMS}], ids=["1", "4"])
@pytest.mark.parametrize("attention", ["sdpa", MATMUL])
def test_sequences_of_a_prompt_share_one_row(tiny_llama, cached, attention, beams, monkeypatch):
    monkeypatch.setattr(kv_cache, "PAD_TO_MULTIPLE_OF", 4)  # so that the cache must grow
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    model.set_attn_implementation(attention)
    measured(model)
    cached.clear()
    assert_same(model, do_sample=False, **beams)
    assert set(cached) == {len(PROMPTS)}


FORBIDDEN = {"suppress_tokens": [5], "bad_words_ids": [[30]], "no_repeat_ngram_size": 1}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_they_do_where_the_model_forbids_tokens(tiny_llama, cached, name):
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    setattr(model.generation_config, name, FORBIDDEN[name])
    measured(model)
    cached.clear()
    assert_same(model, do_sample=False, num_beams=4, **BEAMS)
    assert set(cached) == {len(PROMPTS)}


def test_prefill_stops_when_the_cache_is_complete(tiny_llama):
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    measured(model)
    lengths, last = [], model.get_decoder().layers[-1].mlp
    with last.register_forward_hook(lambda _, inputs, __: lengths.append(inputs[0].shape[1])):
        generate_shared(model, PROMPTS, PAD, NEW_TOKENS, do_sample=False)
    assert set(lengths) == {1}


def test_finished_rows_are_dropped(tiny_llama, cached, monkeypatch):
    monkeypatch.setattr(kv_cache, "PAD_TO_MULTIPLE_OF", 4)
    model = measured(load_base(tiny_llama, "none", choose_hardware("fp32")))
    texts = generate_shared(model, PROMPTS, PAD, NEW_TOKENS, do_sample=False).tolist()
    firsts = {token: {text.index(token) for text in texts if token in text} for token in range(512)}
    end = max(firsts, key=lambda token: len(firsts[token]))  # rows end at different steps
    cached.clear()
    assert_same(model, do_sample=False, eos_token_id=end)
    assert cached[0] == len(PROMPTS) > cached[-1]
    assert cached == sorted(cached, reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 1.4])
@pytest.mark.parametrize("early", [True, False, "never"])
@pytest.mark.parametrize("beams", [2, 5])
def test_prompts_whose_beams_have_ended_are_dropped(
    tiny_llama, cached, monkeypatch, beams, early, penalty
):
    model = measured(load_base(tiny_llama, "none", choose_hardware("fp32")))
    monkeypatch.setattr(shared_rows, "MAX_ACTIVE", 0.95)
    end = torch.nn.functional.one_hot(torch.tensor(5), model.config.vocab_size)

    def likelier(ids, scores):  # after some tokens, so that searches end at different steps
        bonus = (ids[:, -1:] % 4 == 0) * 4.0
        return (scores + bonus * end).log_softmax(-1)

    options = {
        "do_sample": False,
        "eos_token_id": 5,
        "num_beams": beams,
        "early_stopping": early,
        "length_penalty": penalty,
        "logits_processor": LogitsProcessorList([likelier]),
    }
    cached.clear()
    assert_same(model, **options)
    assert (cached[-1] < len(PROMPTS)) == (early is True)
    once = generate_shared(model, PROMPTS, PAD, NEW_TOKENS, **options)
    twice = generate_shared(model, PROMPTS, PAD, NEW_TOKENS, 2, **options)
    assert twice.tolist() == once.repeat_interleave(2, 0).tolist()


@pytest.mark.parametrize("sequences", [1, 3])
def test_dropping_rows_does_not_change_what_is_sampled(tiny_llama, cached, monkeypatch, sequences):
    model = measured(load_base(tiny_llama, "none", choose_hardware("fp32")))
    likely = torch.nn.functional.one_hot(torch.tensor(5), model.config.vocab_size) * 4.0

    def sampled(share: float) -> list[list[int]]:
        monkeypatch.setattr(shared_rows, "MAX_ACTIVE", share)
        cached.clear()
        torch.manual_seed(0)
        ends = [lambda _, scores: (scores + likely).log_softmax(-1), SampleOneToken()]
        options = {"do_sample": False, "logits_processor": LogitsProcessorList(ends)}
        return generate_shared(model, PROMPTS, 5, 30, sequences, eos_token_id=5, **options).tolist()

    every = sampled(0)
    assert set(cached) == {len(PROMPTS)}
    assert sampled(0.9) == every
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
def test_only_models_with_plain_attention_share_rows(cached, kind):
    torch.manual_seed(0)
    model = measured(AutoModelForCausalLM.from_config(MODELS[kind]).eval())
    cached.clear()
    assert_same(model, num_beams=4, do_sample=False, **BEAMS)
    assert bool(cached) == (kind == "input ids by position")


def test_a_model_without_beams_is_told_so():
    torch.manual_seed(0)
    rwkv = RwkvConfig(vocab_size=100, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32)
    model = AutoModelForCausalLM.from_config(rwkv).eval()
    with pytest.raises(UserError, match=r"generate\.num_beams is 4: .*rwkv.* set it to 1"):
        generate_shared(model, PROMPTS, 5, 8, num_beams=4, do_sample=False, **BEAMS)
    assert len(generate_shared(model, PROMPTS, 5, 8, do_sample=False)) == len(PROMPTS)
