"""Prompts and references as rows of token ids, ready for training."""

import sys
from pathlib import Path

import polars as pl
from datasets import Dataset

from stages.common.cli import UserError
from stages.common.limits import fitting_limit, too_many
from stages.model.tokenization import tokenize_prompt, tokenize_summary
from stages.params import FormatPrompts, Params
from stages.training.shared_prefix import build_row
from stages.training.subset import chosen_rows


def read_dataset(path: Path, tokenizer, params: Params, frame: tuple[str, str]) -> Dataset:
    """A split of `data/prompts`: a row a dialogue, see `stages.training.shared_prefix`.

    `length` is the row's tokens, `references` how many it holds. References above
    `finetune.max_summary_tokens` are left out, and that and how many prompts are cut is printed; a
    `UserError` where no reference is left.
    """
    prompting, longest = params.format_prompts, params.finetune.max_summary_tokens
    rows, sizes, prompt_sizes = [], [], []
    used = pl.Series(chosen_rows(path, params.finetune))
    for row in pl.read_parquet(path).filter(used).iter_rows(named=True):
        summaries = [tokenize_summary(tokenizer, text, prompting) for text in row["references"]]
        fitting = [ids for ids in summaries if len(ids) <= longest]
        sizes += map(len, summaries)
        prompt = tokenize_prompt(tokenizer, row["conversation"], prompting, frame)
        prompt_sizes.append(
            full_length(tokenizer, row["conversation"], prompting, frame, len(prompt))
        )
        if fitting:
            built = build_row(prompt, fitting)
            rows.append({**built, "length": len(built["input_ids"]), "references": len(fitting)})
    of = f"of {path.stem}"
    tell(f"references {of} are left out", sizes, "finetune.max_summary_tokens", longest)
    limit = prompting.max_prompt_tokens
    tell(f"prompts {of} lose their middle", prompt_sizes, "format_prompts.max_prompt_tokens", limit)
    if not rows:
        raise UserError(f"no row of {path.stem} has a reference within finetune.max_summary_tokens")
    return Dataset.from_list(rows)


def full_length(
    tokenizer, conversation: str, prompting: FormatPrompts, frame: tuple[str, str], tokens: int
) -> int:
    """Tokens of a prompt before it was cut to `tokens`."""
    if tokens < prompting.max_prompt_tokens:
        return tokens
    unlimited = prompting.model_copy(update={"max_prompt_tokens": sys.maxsize})
    return len(tokenize_prompt(tokenizer, conversation, unlimited, frame))


def tell(what: str, sizes: list[int], key: str, limit: int) -> None:
    """One line on texts above a limit in tokens, with one that fits 95 % where too many are."""
    above = sum(size > limit for size in sizes)
    if not above:
        return
    line = f"finetune: {above} of {len(sizes)} {what}, above {key} {limit}"
    if too_many(above, len(sizes)):
        line += f": {fitting_limit(sizes)} fits 95 %"
    print(line)
