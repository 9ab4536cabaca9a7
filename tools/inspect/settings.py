"""What params.yaml should say for this data: columns, roles, cleaning, limits, a constant."""

import math
import re
from collections import Counter

import polars as pl
import yaml

from stages.cleaning.columns import find_columns
from stages.cleaning.roles import guess_roles
from stages.params import Columns, Params
from tools.inspect.lengths import Lengths

TWEET = r"(?:^|\s)@\w+|https?://t\.co/"
TWEETS = 0.1  # share of turns with a handle from which texts are taken for tweets
COMPARED = 1000  # references from which the constant is chosen, and with which each is compared
KNOWN = (3, 2, 1)  # other dialogues in whose references each word of the constant must stand
STEP = 16  # tokens to which limits are rounded up
CAUTION = 4  # a token a letter, instead of one for four
MOST = 0.05  # share of rows that may be cut or dropped
FEW = 0.01  # of references, which cost little to train on
SPLITS = {"holdout": 0.1, "train_on_validation": False}  # as params.yaml has them
HEAD = "# Written by `python -m tools.inspect`; change what it got wrong.\n"


def choose_columns(frame: pl.DataFrame, given: dict[str, str | None]) -> Columns:
    """The columns found in a raw table; those that `given` names stay."""
    auto = dict.fromkeys(Columns.model_fields, "auto") | {k: v for k, v in given.items() if v}
    return find_columns(frame, Columns.model_construct(**auto))


def choose_roles(speakers: Counter, field: str | None = None) -> dict[str, str] | None:
    """`clean.roles` for speakers whose names, or the field that names them, say who they are; null
    where nothing would change."""
    roles = guess_roles((str(name) for name in speakers if name), field)
    same = all(name in ("customer", "agent") for name in speakers if str(name).lower() in roles)
    return None if same else dict(sorted(roles.items()))


def choose_cleaning(turns: pl.DataFrame) -> dict[str, bool]:
    """Switches for tweets where the texts are tweets, else off: they take words from speech."""
    tweets = turns["text"].drop_nulls().str.contains(TWEET).mean() or 0
    names = ("handles", "signatures", "special_characters", "lowercase")
    return dict.fromkeys(names, tweets > TWEETS)


def choose_constant(references: list[list[str]]) -> str | None:
    """The reference that is nearest to all others by its words (F1), of those that say nothing of
    one dialogue: each word of it stands in other dialogues' references. None where there is none.
    """
    some = references[:: max(1, len(references) // COMPARED)][:COMPARED]
    words = [Counter(split_words(refs[0])) for refs in some]
    spread = Counter(word for found in words for word in found)
    for others in KNOWN:
        common = [i for i, mine in enumerate(words) if mine and min(map(spread.get, mine)) > others]
        if common:
            return some[max(common, key=lambda i: nearness(words[i], words))][0]
    return None


def nearness(mine: Counter, words: list[Counter]) -> float:
    return sum(2 * (mine & other).total() / (mine.total() + other.total()) for other in words)


def split_words(text: str) -> list[str]:
    """Lower-cased words; of scripts without spaces, characters."""
    return re.findall(
        r"[\u0e00-\u0fff\u3040-\u30ff\u3400-\u9fff]|[^\W\u0e00-\u0fff\u3040-\u9fff]+", text.lower()
    )


def choose_limits(tokens: Lengths) -> dict:
    """Limits that cut or drop little, as params.yaml has them.

    Where tokens are estimated, the limits hold for a tokenizer that needs four times as many: a
    reference that is dropped teaches nothing, and a limit that is too high costs nothing.
    """
    more = CAUTION if tokens.estimated else 1
    summary = limit([more * length for length in tokens.summaries], FEW)
    prompt = limit([more * length for length in tokens.prompts])
    if tokens.context:
        prompt = max(STEP, min(prompt, tokens.context - summary))
    return {
        "format_prompts": {"max_prompt_tokens": prompt},
        "finetune": {"max_summary_tokens": summary},
        "generate": {"max_new_tokens": limit(tokens.summaries)},
    }


def patched(params: Params, patch: dict) -> Params:
    """`params` with some sections' keys set otherwise, checked as params.yaml is."""
    raw = params.model_dump()
    for section, values in patch.items():
        raw[section] |= values
    return Params.model_validate(raw)


def preset_text(patch: dict) -> str:
    """A preset as YAML. It holds no text of the data but the constant."""
    return HEAD + yaml.safe_dump(patch, sort_keys=False, allow_unicode=True, width=4096)


def limit(lengths: list[int], share: float = MOST) -> int:
    """Tokens that all but `share` of the lengths fit in, rounded up."""
    ordered = sorted(lengths)
    at = min(len(ordered) - 1, math.ceil((1 - share) * len(ordered)) - 1)
    return max(STEP, math.ceil(ordered[max(at, 0)] / STEP) * STEP)


def above(lengths: list[int], limit: int) -> float:
    return sum(length > limit for length in lengths) / len(lengths)
