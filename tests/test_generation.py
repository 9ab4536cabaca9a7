"""Batches change nothing but the speed."""

import pytest
import torch
from transformers import AutoTokenizer

from stages.common.generation import batches, summarize
from stages.common.models import choose_hardware, load_base, load_tokenizer
from stages.common.params import Generate
from tests.conftest import prompting, tiny_params

PROMPTS = ["Input: a\nResponse:", f"Input: {'long ' * 40}\nResponse:", "Input: mid mid\nResponse:"]


@pytest.fixture(scope="module")
def loaded(tiny_llama):
    return load_base(tiny_llama, "none", choose_hardware("fp32")), load_tokenizer(tiny_llama)


def knobs(**changes) -> Generate:
    return Generate(**tiny_params()["generate"] | changes)


def test_order_and_texts_are_those_of_one_at_a_time(loaded):
    model, tokenizer = loaded
    together = summarize(
        model, tokenizer, PROMPTS, prompting(), knobs(batch_size=3), progress=False
    )
    alone = [
        summarize(model, tokenizer, [p], prompting(), knobs(batch_size=1), progress=False)[0]
        for p in PROMPTS
    ]
    assert together == alone
    assert len(set(alone)) == len(alone)  # or the order would not show


def test_longest_prompts_go_first():
    assert list(batches([[1], [1] * 5, [1] * 3], 2)) == [[1, 2], [0]]


@pytest.mark.parametrize("change", [{"num_beams": 3}, {"do_sample": True, "temperature": 0.9}])
def test_beams_and_sampling_are_repeatable(loaded, change):
    model, tokenizer = loaded
    runs = [
        summarize(model, tokenizer, PROMPTS, prompting(), knobs(**change), False) for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_tokenizer_without_pad_is_given_one_and_without_eos_is_refused(tiny_llama, tmp_path):
    from stages.common.cli import UserError

    assert load_tokenizer(tiny_llama).pad_token_id is not None
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path / "no_eos")
    with pytest.raises(UserError, match="no EOS"):
        load_tokenizer(tmp_path / "no_eos")


def test_model_of_pickles_is_refused(tiny_llama, tmp_path):
    import shutil

    from stages.common.cli import UserError

    folder = tmp_path / "pickled"
    shutil.copytree(tiny_llama, folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="holds no model that loads"):
        load_base(folder, "none", choose_hardware("fp32"))
