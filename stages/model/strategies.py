"""Which way to generate gives a model's own logits: measured once for each loaded model."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from transformers import DynamicCache, LogitsProcessor, LogitsProcessorList
from transformers.cache_utils import DynamicLayer

from stages.common.cli import UserError, is_of_machine
from stages.model.base_config import first_line
from stages.model.tolerance import kind, same_logits

STEPS, REPEATS, LENGTHS = 2, 2, (9, 4)  # new tokens, sequences a prompt, tokens of the prompts
chosen = WeakKeyDictionary()


def choose_strategy(model, strategies: tuple[Callable, ...]) -> Callable:
    """The first of the strategies whose logits are those of the last, one prompt at a time."""
    if model not in chosen:
        chosen[model] = measure(model, strategies)
    return chosen[model]


def measure(model, strategies: tuple[Callable, ...]) -> Callable:
    possible = strategies if supports_shared_prefix(model) else strategies[1:]
    if model.device.type == "xla":  # which would compile each of these few lengths
        return possible[0]
    alone = step_logits(model, strategies[-1])
    if isinstance(alone, Exception):
        reason = first_line(alone)
        raise UserError(
            f"the base model ({kind(model)}) does not generate from text alone: {reason}"
        )
    effect = (alone - alone.roll(REPEATS, 0)).abs().mean()
    for strategy in possible[:-1]:
        logits = step_logits(model, strategy)
        if isinstance(logits, torch.Tensor) and same_logits(model, logits, alone, effect):
            return strategy
    return strategies[-1]


def supports_shared_prefix(model) -> bool:
    """Whether every layer has a plain cache of keys and values, which a mask can part."""
    try:
        layers = DynamicCache(config=model.config.get_text_config(decoder=True)).layers
    except (AttributeError, ValueError, KeyError, TypeError):
        return False
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def step_logits(model, strategy: Callable) -> torch.Tensor | Exception:
    """Logits (sequences, steps, vocabulary) of made-up prompts and new tokens, or an error."""
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    prompts = [[(7 * i + 11 * n) % vocabulary for i in range(n)] for n in LENGTHS]
    script = Script(vocabulary)
    options = {
        "num_beams": 1,
        "max_new_tokens": STEPS,
        "pad_token_id": 0,
        "eos_token_id": vocabulary,  # none of the tokens, whatever the model's own config says
        "do_sample": False,
        "repetition_penalty": 1.0,
        "disable_compile": True,
        "logits_processor": LogitsProcessorList([script]),
    }
    try:
        with torch.no_grad():
            strategy(model, prompts, REPEATS, options)
    except Exception as error:  # each model has errors of its own
        if is_of_machine(error):
            raise
        return error
    calls = [script.seen[i : i + STEPS] for i in range(0, len(script.seen), STEPS)]
    return torch.cat([torch.stack(steps, 1) for steps in calls])


class Script(LogitsProcessor):
    """Keeps the logits of each step, and gives the sequences of a prompt other next tokens."""

    def __init__(self, vocabulary: int):
        self.vocabulary, self.seen = vocabulary, []

    def __call__(self, _ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        sequence = torch.arange(len(scores), device=scores.device) % REPEATS
        tokens = (13 * sequence + 5 * (len(self.seen) % STEPS) + 17) % self.vocabulary
        # What the model's own generation config forbids is -inf, of which there is no difference.
        self.seen.append(scores.float().masked_fill(scores == -torch.inf, 0.0))
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0)
