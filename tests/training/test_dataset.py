"""Which references and prompts a limit in tokens drops or cuts, and what is printed of it."""

import pickle

import polars as pl
import pytest

from stages.common.cli import UserError
from stages.model.loading import load_tokenizer
from stages.model.tokenization import prompt_frame, tokenize_prompt, tokenize_summary
from stages.params import Params
from stages.training import dataset
from stages.training.dataset import read_dataset
from stages.training.shared_prefix import build_row
from tests.helpers.project import tiny_params


def params(summary: int, prompt: int) -> Params:
    raw = tiny_params()
    raw["finetune"]["max_summary_tokens"] = summary
    raw["format_prompts"]["max_prompt_tokens"] = prompt
    return Params.model_validate(raw)


def read(split, tokenizer, knobs: Params):
    frame = prompt_frame(tokenizer, knobs.format_prompts)
    return read_dataset(split, tokenizer, knobs, frame, split.parent / "checkpoints")


@pytest.fixture
def split(tmp_path):
    """A hundred dialogues, longer one by one, in `train.parquet`."""
    path = tmp_path / "train.parquet"
    rows = [
        {"conversation": "customer: " + "hello " * n, "references": ["late " * n]}
        for n in range(1, 101)
    ]
    pl.DataFrame(rows).write_parquet(path)
    return path


def sizes(split, tokenizer, knobs: Params) -> tuple[list[int], list[int]]:
    rows = pl.read_parquet(split)
    unlimited = knobs.format_prompts.model_copy(update={"max_prompt_tokens": 10**6})
    prompts = [len(tokenize_prompt(tokenizer, text, unlimited)) for text in rows["conversation"]]
    texts = [text for texts in rows["references"] for text in texts]
    return prompts, [len(tokenize_summary(tokenizer, text, unlimited)) for text in texts]


def test_a_limit_for_more_than_one_in_twenty_says_what_fits(tiny_llama, split, capsys):
    tokenizer = load_tokenizer(tiny_llama)
    prompts, summaries = sizes(split, tokenizer, params(10, 50))
    knobs = params(sorted(summaries)[69], sorted(prompts)[59])
    read(split, tokenizer, knobs)
    said = capsys.readouterr().out.splitlines()
    fits = sorted(prompts)[94], sorted(summaries)[94]
    left_out = sum(size > knobs.finetune.max_summary_tokens for size in summaries)
    cut = sum(size > knobs.format_prompts.max_prompt_tokens for size in prompts)
    assert said == [
        (
            f"finetune: {left_out} of 100 references of train are left out, above"
            f" finetune.max_summary_tokens {knobs.finetune.max_summary_tokens}: {fits[1]} fits 95 %"
        ),
        (
            f"finetune: {cut} of 100 prompts of train lose their middle, above"
            f" format_prompts.max_prompt_tokens {knobs.format_prompts.max_prompt_tokens}:"
            f" {fits[0]} fits 95 %"
        ),
    ]
    # What is printed is right: with it, five are above.
    read(split, tokenizer, params(fits[1], fits[0]))
    assert "fits" not in capsys.readouterr().out


def test_limits_that_fit_all_are_no_news(tiny_llama, split, capsys):
    rows = read(split, load_tokenizer(tiny_llama), params(10_000, 10_000))
    assert len(rows) == 100
    assert not capsys.readouterr().out


def test_rows_are_those_of_one_dialogue_at_a_time(tiny_llama, split, monkeypatch):
    tokenizer, knobs = load_tokenizer(tiny_llama), params(250, 300)
    expected = []
    for row in pl.read_parquet(split).iter_rows(named=True):
        prompt = tokenize_prompt(tokenizer, row["conversation"], knobs.format_prompts)
        summaries = [
            tokenize_summary(tokenizer, t, knobs.format_prompts) for t in row["references"]
        ]
        if fitting := [ids for ids in summaries if len(ids) <= 250]:
            built = build_row(prompt, fitting)
            expected.append(built | {"length": len(built["input_ids"]), "references": len(fitting)})
    monkeypatch.setattr(dataset, "BATCH", 7)
    monkeypatch.setattr(dataset, "BATCH_CHARACTERS", 1000)
    found = read(split, tokenizer, knobs)
    assert 0 < len(found) < 100 and [found[i] for i in range(len(found))] == expected
    assert list(found["length"]) == [row["length"] for row in expected]
    assert [dict(row) for row in found.select([3, 1])] == [expected[3], expected[1]]
    assert pickle.loads(pickle.dumps(found))[5] == expected[5]  # as a data worker gets it


def test_ids_are_in_a_file_and_not_in_memory(tiny_llama, split):
    found = read(split, load_tokenizer(tiny_llama), params(1000, 1000))
    (file,) = (split.parent / "checkpoints").iterdir()
    assert found.cache_files == [{"filename": str(file)}]
    tokens = sum(found["length"])
    assert 4 * tokens < file.stat().st_size < 6 * tokens + 20_000


def test_no_reference_left_is_one_sentence(tiny_llama, split):
    rows = pl.read_parquet(split).tail(5)
    rows.write_parquet(split)
    with pytest.raises(UserError, match=r"no row of train has a reference within finetune\.max"):
        read(split, load_tokenizer(tiny_llama), params(4, 100))
