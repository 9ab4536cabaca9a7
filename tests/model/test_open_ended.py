"""A prompt is open at its end, also with a tokenizer that ends every text."""

import shutil

import pytest
from tokenizers.processors import Sequence, TemplateProcessing
from transformers import AutoTokenizer

from stages.model.loading import load_tokenizer
from stages.model.tokenization import tokenize_prompt
from tests.helpers.project import prompting

MARKERS = [("<s>", 0), ("</s>", 1)]


@pytest.mark.parametrize("front", [[], ["<s>"], ["</s>"], ["<s>", "</s>"]], ids="".join)
@pytest.mark.parametrize("limit", [400, 60])
def test_nothing_is_added_behind_a_prompt(tiny_llama, tmp_path, front, limit):
    folder = tmp_path / "base"
    shutil.copytree(tiny_llama, folder)
    saved = AutoTokenizer.from_pretrained(folder)
    ending = TemplateProcessing(single=[*front, "$A", "</s>"], special_tokens=MARKERS)
    saved.backend_tokenizer.post_processor = Sequence([ending])
    saved.save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder)("a").input_ids[-1] == saved.eos_token_id

    tokenizer = load_tokenizer(folder)
    text = "customer: my parcel never came " * 5
    ids = tokenize_prompt(tokenizer, text, prompting(limit))
    written = tokenizer.decode(ids)
    assert written.startswith("".join(front) + "Input: customer: my")
    assert written.endswith("\nResponse:")
    assert len(ids) <= limit

    tokenizer.save_pretrained(tmp_path / "exported")
    again = AutoTokenizer.from_pretrained(tmp_path / "exported")
    assert again("a").input_ids == tokenizer("a").input_ids
