"""Candidates are those that the model would sample for each prompt alone; rewards are fair."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.model.attention import MATMUL
from stages.model.hardware import choose_hardware
from stages.model.loading import load_base
from stages.training import candidates
from stages.training.candidates import reward, sample_candidates, sample_index, truncate

PROMPTS = [[0, *range(20, 20 + n)] for n in (9, 30, 14, 30, 1, 17, 23, 11, 25, 12)]
COUNT, NEW_TOKENS = 3, 6
WORDS = st.lists(
    st.sampled_from(["the", "app", "parcel", "is", "late", "agent", "asks", "for", "a", "DM"]),
    min_size=1,
)
TEXTS = WORDS.map(" ".join)


def places(chances: torch.Tensor) -> torch.Tensor:
    """In place of `sample_index`: candidate k takes the token of rank k."""
    ranked = chances.topk(COUNT).indices.view(-1, COUNT, COUNT)  # rows, candidates, ranks
    return ranked.diagonal(dim1=1, dim2=2).flatten()


def alone(model, prompt: list[int], rank: int) -> list[int]:
    """The same choices for one prompt, without cache, padding or company."""
    ids = list(prompt)
    for _ in range(NEW_TOKENS):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, -1]
        ids.append(int(logits.topk(COUNT).indices[rank]))
    return ids[len(prompt) :]


@pytest.mark.parametrize("attention", ["sdpa", MATMUL])
def test_candidates_of_a_prompt_are_blind_to_one_another(tiny_llama, monkeypatch, attention):
    model = load_base(tiny_llama, "none", choose_hardware("fp32")).eval()
    model.set_attn_implementation(attention)
    model.generation_config.update(do_sample=True, repetition_penalty=1.5, temperature=0.6)
    monkeypatch.setattr(candidates, "sample_index", places)
    sampled = sample_candidates(model, PROMPTS, COUNT, NEW_TOKENS, eos_token_id=2)
    for prompt, made in zip(PROMPTS, sampled, strict=True):
        assert made == [truncate(alone(model, prompt, rank), 2) for rank in range(COUNT)]


def test_a_candidate_ends_with_eos_and_sampling_with_the_last_candidate(tiny_llama, monkeypatch):
    model = load_base(tiny_llama, "none", choose_hardware("fp32")).eval()
    ends = iter([[5, 7], [7, 5], [5, 5]])
    steps = []

    def chosen(chances):
        steps.append(chances.shape)
        return torch.tensor(next(ends))

    monkeypatch.setattr(candidates, "sample_index", chosen)
    assert sample_candidates(model, PROMPTS[:1], 2, 9, eos_token_id=7) == [[[5, 7], [7]]]
    assert steps == [(2, len(model.model.embed_tokens.weight))] * 2


def test_tokens_are_sampled_as_often_as_they_are_likely():
    torch.manual_seed(0)
    chances = torch.tensor([[0.5, 0.0, 0.3, 0.2, 0.0], [0.0, 0.0, 0.0, 0.1, 0.9]])
    sampled = torch.stack([sample_index(chances) for _ in range(4000)])
    for row, expected in enumerate(chances):
        share = torch.bincount(sampled[:, row], minlength=5) / len(sampled)
        assert (share - expected).abs().max() < 0.03
        assert not share[expected == 0].any()


@given(st.lists(st.integers(0, 5)))
def test_what_follows_eos_is_truncated(ids):
    kept = truncate(ids, 3)
    assert ids[: len(kept)] == kept and 3 not in kept[:-1]
    assert len(kept) == len(ids) or kept[-1] == 3


@settings(max_examples=30, deadline=None)  # the first one imports the scorer
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_rewards_are_between_nothing_and_a_copy(text, references):
    assert 0 <= reward(text, references) <= 1 + 1e-9
    assert reward("", references) == 0
    # BLEU holds what is shorter than four words to be no copy.
    long = " ".join([*references[0].split(), "and", "nobody", "ever", "answers"])
    assert reward(long, [long]) == pytest.approx(1)


def test_a_summary_nearer_to_all_references_has_the_higher_reward():
    references = [
        "The parcel never came. Agent asks for a DM.",
        "Parcel is lost, agent wants a DM.",
    ]
    texts = ["The parcel never came. Agent asks for a DM.", "A parcel came.", "Thank you."]
    best, some, none = (reward(text, references) for text in texts)
    assert best > some > 0.1 > none  # full stops agree
