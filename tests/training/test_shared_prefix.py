"""A dialogue with all its references in one row gives the loss and gradient of separate rows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
)

from stages.model.attention import MATMUL
from stages.model.tokenization import tokenize_prompt, tokenize_summary
from stages.training.shared_prefix import IGNORE_INDEX, Collator, build_row, pack, split_row
from tests.helpers.project import prompting

PROMPTS = [list(range(10, 40)), list(range(50, 71))]
SUMMARIES = [[[70, 71, 72, 1], [80, 81, 1], [90, 91, 92, 93, 94, 1]], [[60, 61, 1]]]


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture(
    params=[
        ("none", "cpu"),
        ("nf4", "cpu"),
        (MATMUL, "cpu"),
        pytest.param(("none", "cuda"), marks=GPU),
        pytest.param(("nf4", "cuda"), marks=GPU),
    ],
    ids="-".join,
    scope="module",
)
def model(request, tiny_llama):
    kind, device = request.param
    config = None
    if kind == "nf4":
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model = AutoModelForCausalLM.from_pretrained(
        tiny_llama, dtype=torch.float32, quantization_config=config, device_map=device
    )
    if kind == MATMUL:
        model.set_attn_implementation(MATMUL)
    return model.eval()


def on(model, batch):
    return {key: value.to(model.device) for key, value in batch.items()}


def plain_losses(model, prompt, summary):
    """Summed loss of one prompt and one summary, by transformers' ordinary path."""
    ids = torch.tensor([prompt + summary], device=model.device)
    labels = torch.tensor([[IGNORE_INDEX] * len(prompt) + summary], device=model.device)
    return model(input_ids=ids, labels=labels).loss * len(summary)


@pytest.mark.parametrize(("row_tokens", "packed"), [(0, 2), (70, 1)])
def test_loss_equals_separate_rows(model, row_tokens, packed):
    rows = [build_row(p, s) for p, s in zip(PROMPTS, SUMMARIES, strict=True)]
    batch = on(model, Collator(row_tokens)(rows))
    assert len(batch["input_ids"]) == packed
    shared = model(**batch, use_cache=False).loss
    summed = sum(
        plain_losses(model, prompt, summary)
        for prompt, summaries in zip(PROMPTS, SUMMARIES, strict=True)
        for summary in summaries
    )
    tokens = sum(len(summary) for summaries in SUMMARIES for summary in summaries)
    assert shared.item() == pytest.approx(summed.item() / tokens, abs=1e-5)


def test_references_do_not_see_one_another_nor_the_padding(model):
    collate = Collator()
    with torch.no_grad():
        one = model(**on(model, collate([build_row(PROMPTS[0], SUMMARIES[0])]))).logits
        changed = [SUMMARIES[0][0], [40, 41, 42, 43, 44, 1], SUMMARIES[0][2]]
        rows = [build_row(PROMPTS[0], changed), build_row([3] * 90, [[5, 1]])]
        other = model(**on(model, collate(rows)))
    first = len(SUMMARIES[0][0])
    assert torch.allclose(one[:first], other.logits[:first], atol=1e-5)
    last = len(SUMMARIES[0][2])
    end = other.logits[: first + 6 + last][-last:]
    assert torch.allclose(one[-last:], end, atol=1e-5)


@given(
    st.lists(st.integers(2, 99), min_size=1, max_size=30),
    st.lists(st.lists(st.integers(2, 99), min_size=1, max_size=12), min_size=1, max_size=4),
)
@settings(max_examples=50, deadline=None)
def test_only_summaries_are_predicted_and_each_to_its_end(prompt, summaries):
    summaries = [[*summary, 1] for summary in summaries]
    row = build_row(prompt, summaries)
    predicted = [label for label in row["labels"] if label != IGNORE_INDEX]
    assert predicted == [token for summary in summaries for token in summary]
    assert predicted.count(1) == len(summaries)  # EOS stands as a label though it is padding too
    assert len({len(row[key]) for key in row}) == 1
    for k, summary in enumerate(summaries, 1):
        positions = [p for p, s in zip(row["position_ids"], row["segment"], strict=True) if s == k]
        assert positions == list(range(len(prompt) - 1, len(prompt) - 1 + len(summary)))


@given(st.lists(st.integers(1, 50), min_size=1), st.integers(0, 120))
def test_packing_loses_nothing_and_stays_within_its_budget(lengths, budget):
    bins = pack(lengths, budget)
    assert sorted(i for chosen in bins for i in chosen) == list(range(len(lengths)))
    assert all(len(chosen) == 1 or sum(lengths[i] for i in chosen) <= budget for chosen in bins)


def test_long_conversation_keeps_its_summary_whole(tiny_llama):
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    ids = tokenize_prompt(tokenizer, "word " * 1000, prompting(64))
    row = build_row(ids, [tokenize_summary(tokenizer, "Customer is fine. Agent too.", prompting())])
    kept = [label for label in row["labels"] if label != IGNORE_INDEX]
    assert 48 < len(ids) <= 64
    assert tokenizer.decode(kept) == " Customer is fine. Agent too.</s>"
    assert tokenizer.decode(ids).startswith("Input: word")
    assert tokenizer.decode(ids).endswith("word \nResponse:")


IDS = st.lists(st.integers(0, 300), min_size=1)


@given(IDS, st.lists(IDS, min_size=1))
def test_a_row_is_taken_apart_into_what_it_was_made_of(prompt, summaries):
    assert split_row(build_row(prompt, summaries)) == (prompt, summaries)
