"""Prompts and references as rows of token ids, ready for training."""

from pathlib import Path

import polars as pl
from datasets import Dataset

from stages.common.cli import UserError
from stages.model.tokenization import tokenize_prompt, tokenize_summary
from stages.params import Params
from stages.training.shared_prefix import build_row


def read_dataset(path: Path, tokenizer, params: Params, frame: tuple[str, str]) -> Dataset:
    """A split of `data/prompts`: a row a dialogue, see `stages.training.shared_prefix`.

    `length` is the row's tokens, `references` how many it holds. References above
    `finetune.max_summary_tokens` are left out, which is said; a `UserError` where none is left.
    """
    prompting, longest = params.format_prompts, params.finetune.max_summary_tokens
    rows, left_out = [], 0
    for row in pl.read_parquet(path).iter_rows(named=True):
        summaries = [tokenize_summary(tokenizer, text, prompting) for text in row["references"]]
        fitting = [ids for ids in summaries if len(ids) <= longest]
        left_out += len(summaries) - len(fitting)
        if fitting:
            prompt = tokenize_prompt(tokenizer, row["conversation"], prompting, frame)
            built = build_row(prompt, fitting)
            rows.append({**built, "length": len(built["input_ids"]), "references": len(fitting)})
    if left_out:
        print(f"finetune: {left_out} references of {path.stem} left out, above max_summary_tokens")
    if not rows:
        raise UserError(f"no row of {path.stem} has a reference within finetune.max_summary_tokens")
    return Dataset.from_list(rows)
