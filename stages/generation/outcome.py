"""What generate says of the summaries: how long they are, how many were cut, whether they differ."""

import polars as pl

from stages.common.cli import UserError
from stages.common.languages import length_unit, lengths
from stages.common.limits import fitting_limit, too_many
from stages.model.tokenization import tokenize_summary
from stages.params import Params

FEW = 20  # dialogues


def tell_cut(cut: int, summaries: int, references: pl.Series, tokenizer, params: Params) -> None:
    """One line where more than a few summaries met the limit before their end, and what to do."""
    if not too_many(cut, summaries):
        return
    knobs, limit = params.format_prompts, params.generate.max_new_tokens
    texts = references.explode().to_list()
    needed = fitting_limit([len(tokenize_summary(tokenizer, text, knobs)) for text in texts])
    line = f"generate: {cut} of {summaries} summaries are cut at generate.max_new_tokens {limit}: "
    if needed > limit:
        print(line + f"{needed} fits 95 % of the references")
    else:
        print(
            line + f"95 % of the references end by {needed}, so this model does not stop by itself"
        )


def print_result(summaries: pl.Series, seconds: float) -> None:
    unit = length_unit(summaries)
    length, rate = lengths(summaries, unit).mean(), len(summaries) / seconds
    print(f"generate: {length:.1f} {unit} on average, {rate:.2f} summaries/s, {seconds:.0f} s")


def refuse_constant(summaries: list[str], conversations: list[str]) -> None:
    """A model that writes the same of all has learnt nothing; of a few dialogues it may by chance."""
    if len(set(conversations)) >= FEW and len(set(summaries)) == 1:
        text = repr(summaries[0][:80]) if summaries[0] else "empty"
        what = f"all {len(summaries)} summaries by the tuned model are the same, {text}"
        raise UserError(f"{what}: train again with a lower finetune.learning_rate")
