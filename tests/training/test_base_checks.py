"""How a base model takes the references of a dialogue, and that their loss is that of each alone."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    Gemma2Config,
    GPTNeoConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
)

from stages.common.cli import UserError
from stages.training import base_checks
from stages.training.base_checks import choose_rows
from stages.training.batch_splitting import select_rows, split_batch
from stages.training.separate_rows import token_cost
from stages.training.shared_prefix import IGNORE_INDEX, build_row

SMALL = {
    "vocab_size": 259,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.2,
}
HEADS = {"num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64}
NEO = {"attention_types": [[["global", "local"], 1]], "window_size": 8, "intermediate_size": 64}
DIALOGUES = [
    (list(range(10, 30)), [[70, 71, 72, 1], [80, 81, 1], [90, 91, 92, 93, 94, 1]]),
    (list(range(50, 62)), [[60, 61, 1]]),
]
CONFIGS = {
    "a plain one": (LlamaConfig(**SMALL, **HEADS), torch.bool, ""),
    "one that adds the mask": (
        LlamaConfig(**SMALL, **HEADS, attn_implementation="eager"),
        torch.float32,
        "",
    ),
    "Gemma 2": (Gemma2Config(**SMALL, **HEADS), torch.float32, ""),
    "a short window": (
        MistralConfig(**SMALL, **HEADS, sliding_window=16),
        None,
        "its window of 16 tokens is shorter than a prompt and a summary (30)",
    ),
    "a window that its config names otherwise": (GPTNeoConfig(**SMALL, **NEO), None, "its atten"),
    "a state": (MambaConfig(**SMALL, state_size=8), None, "its recurrent layers would mix them"),
    "positions by distance": (
        BloomConfig(vocab_size=259, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2),
        None,
        "its attention does not keep them apart",
    ),
}


def make(config):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def alone(model, prompt: list[int], summary: list[int]) -> torch.Tensor:
    """Summed loss of one reference, as transformers computes it."""
    ids = torch.tensor([prompt + summary])
    labels = torch.tensor([[IGNORE_INDEX] * len(prompt) + summary])
    return model(input_ids=ids, labels=labels).loss * len(summary)


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_have_the_loss_and_gradient_of_each_reference_alone(name):
    config, mask, reason = CONFIGS[name]
    expected, model = make(config), make(config)
    rows = choose_rows(model, 20, 10)
    assert rows.mask == mask and rows.reason.startswith(reason)
    batch = rows.collator()([build_row(*dialogue) for dialogue in DIALOGUES])
    loss = model(**batch, num_items_in_batch=torch.tensor(16)).loss
    pairs = [(prompt, summary) for prompt, summaries in DIALOGUES for summary in summaries]
    separate = sum(alone(expected, *pair) for pair in pairs) / 16
    assert loss.item() == pytest.approx(separate.item(), rel=1e-5)
    loss.backward()
    separate.backward()
    for ours, theirs in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)


def test_a_batch_of_separate_rows_is_split_like_one_of_shared_rows():
    model = make(CONFIGS["a state"][0])
    collate = choose_rows(model).collator()
    batch = collate([build_row(*dialogue) for dialogue in DIALOGUES])
    assert len(batch["input_ids"]) == 4

    def total(part) -> float:
        return model(**part, num_items_in_batch=1).loss.item()

    assert sum(map(total, split_batch(batch, select_rows))) == pytest.approx(total(batch), rel=1e-5)


def test_what_separate_rows_cost_is_counted():
    prompt, summaries = list(range(101)), [[1] * 10, [2] * 10, [3] * 10]
    assert token_cost([build_row(prompt, summaries)]) == pytest.approx(330 / 130)


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [
        (torch.bfloat16, "fetch.model, or set model.precision to fp32"),
        (torch.float32, "fetch.model"),
    ],
)
def test_a_batch_that_differs_is_refused_with_what_may_help(monkeypatch, dtype, advice):
    monkeypatch.setattr(base_checks, "fits", lambda *_: False)
    with pytest.raises(UserError, match="another loss in a batch") as error:
        choose_rows(make(CONFIGS["a plain one"][0]).to(dtype))
    assert str(error.value).endswith(advice)


def test_a_model_that_reads_ahead_is_refused():
    config = BertConfig(**SMALL, intermediate_size=64)
    torch.manual_seed(0)
    with pytest.raises(UserError, match=r"the base model \(bert\) reads ahead"):
        choose_rows(BertLMHeadModel(config).eval())
    config.is_decoder = True
    choose_rows(BertLMHeadModel(config).eval())


def test_a_model_whose_weights_are_no_numbers_is_refused():
    model = make(CONFIGS["a plain one"][0])
    next(model.parameters()).data.fill_(torch.nan)
    with pytest.raises(UserError, match="computes what is no number") as error:
        choose_rows(model)
    assert str(error.value).endswith("fetch.model")
