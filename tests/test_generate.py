"""Batches change nothing but the speed."""

import re
from collections import Counter

import pytest
import torch
from gguf import GGMLQuantizationType
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from benchmarks.generation import measure, not_measured, print_table
from benchmarks.gguf_model import write_gguf
from stages.generate import generate_batch, summarize, tidy
from stages.model.batches import batches
from stages.model.hardware import choose_hardware
from stages.model.loading import load_base, load_tokenizer
from stages.model.tokenization import tokenize_prompt
from stages.params import Generate
from tests.helpers.project import prompting, tiny_params

PROMPTS = ["Input: a\nResponse:", f"Input: {'long ' * 40}\nResponse:", "Input: mid mid\nResponse:"]


@pytest.fixture(scope="module")
def loaded(tiny_llama):
    return load_base(tiny_llama, "none", choose_hardware("fp32")), load_tokenizer(tiny_llama)


def knobs(**changes) -> Generate:
    return Generate(**tiny_params()["generate"] | changes)


def test_order_and_texts_are_those_of_one_at_a_time(loaded):
    model, tokenizer = loaded
    many = PROMPTS * 7  # more than a CPU reads at a time
    together = summarize(model, tokenizer, many, prompting(), knobs(batch_size=21), progress=False)
    alone = [
        summarize(model, tokenizer, [p], prompting(), knobs(batch_size=1), progress=False)[0]
        for p in PROMPTS
    ]
    assert together == alone * 7
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


@pytest.mark.parametrize("beams", [1, 4])
def test_summaries_are_those_of_the_plain_loop(loaded, beams):
    model, tokenizer = loaded
    params = knobs(num_beams=beams, batch_size=3, max_new_tokens=12)
    made = summarize(model, tokenizer, PROMPTS, prompting(), params, progress=False)
    for prompt, summary in zip(PROMPTS, made, strict=True):
        ids = torch.tensor([tokenize_prompt(tokenizer, prompt, prompting())])
        output = model.generate(
            ids, max_new_tokens=12, num_beams=beams, early_stopping=beams > 1, do_sample=False
        )
        text = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
        assert summary == tidy(text)
    assert any(made)


def test_a_prompt_of_one_token_is_summarised_like_its_neighbours(loaded):
    model, tokenizer = loaded
    alone = generate_batch(model, tokenizer, [[70]], knobs())
    assert alone == generate_batch(model, tokenizer, [[70], [71, 72, 73]], knobs())[:1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Customer  is late.\t Agent asks. ", "Customer is late. Agent asks."),
        (
            "Issue: leaks \n\n  Action: photo\r\nNext: call\n",
            "Issue: leaks\nAction: photo\nNext: call",
        ),
        ("客户反映水壶漏\ufffd\ufffd", "客户反映水壶漏"),
        ("all good 👨\u200d\ufffd", "all good 👨"),
        ("one \ufffd", "one"),
        ("\ufffd", ""),
    ],
)
def test_a_summary_keeps_its_lines_and_ends_with_a_complete_character(text, expected):
    assert tidy(text) == expected


def test_no_limit_in_tokens_ends_a_summary_inside_a_character():
    """A tokenizer of bytes, whose every limit but a few falls inside a character."""
    text = "客户反映 👍🏽 水壶漏水।"
    data = text.encode()
    for end in range(len(data)):
        shown = tidy(data[:end].decode("utf-8", "replace"))
        assert text.startswith(shown) and "\ufffd" not in shown


@pytest.mark.parametrize("beams", [1, 3])
def test_summaries_that_meet_the_limit_are_counted(loaded, beams):
    model, tokenizer = loaded
    cut = Counter()
    params = knobs(max_new_tokens=6, num_beams=beams)
    made = summarize(model, tokenizer, PROMPTS, prompting(), params, progress=False, cut=cut)
    rows = [tokenize_prompt(tokenizer, text, prompting()) for text in PROMPTS]
    batch = generate_batch(model, tokenizer, rows, params)
    assert [text for text, _ in batch] == made
    assert cut["summaries"] == sum(not ended for _, ended in batch)


@pytest.mark.parametrize("beams", [1, 4])
def test_prompts_are_read_once(loaded, beams):
    model, tokenizer = loaded
    read = []  # tokens of each forward pass
    hook = model.get_decoder().register_forward_pre_hook(
        lambda _module, _args, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    with hook:
        generate_batch(model, tokenizer, [[70, 71, 72, 73]] * 3, knobs(num_beams=beams))
    assert read[0] == 3 * 3  # all but the last token, of every prompt, not of every beam
    assert set(read[1:]) == {3 * beams}


def test_benchmark_compares_equal_summaries(prepared, monkeypatch, capsys):
    monkeypatch.chdir(prepared.root)
    engines = [side for side in ("ctranslate2-float32", "llama.cpp-f32") if not not_measured(side)]
    sides = ["loop", "ours", "pipeline", *engines]
    results = {side: measure(side, "llama", 4, "fp32") for side in sides}
    print_table(results, 4)
    shares = re.findall(r"\| (\d+ %) \|", capsys.readouterr().out)
    assert shares == ["100 %"] * len(sides)
    assert len(set(results["loop"]["summaries"])) > 1


def test_model_for_llama_cpp_is_the_same_model(tiny_llama, tmp_path):
    write_gguf(tiny_llama, tmp_path / "tiny.gguf", GGMLQuantizationType.F32)
    base = AutoModelForCausalLM.from_pretrained(tiny_llama)
    # transformers' own reader takes the file as llama.cpp does.
    model = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="tiny.gguf", quantization_config=GgufConfig(dequantize=True)
    )
    ids = torch.tensor([[70, 71, 72, 73]])
    assert torch.allclose(model(ids).logits, base(ids).logits, atol=1e-5)
