"""What writes summaries: the models in this process, or a server that has the tuned one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stages.params import Params

if TYPE_CHECKING:
    from stages.model.usage import Usage

BASE = Path("models/base")
ADAPTER = Path("models/adapter")
Write = Callable[[list[str]], list[dict[str, str]]]


def as_trained(params: Params) -> tuple["Usage", Params]:
    """What the adapter carries, and `params` with its cleaning and prompt."""
    from stages.model.usage import adopt, read

    usage = read(ADAPTER, BASE)
    return usage, adopt(usage, params)


def load_models(params: Params, usage: "Usage", base: bool = False) -> tuple[object, dict]:
    """The tokenizer, and the models by name: `tuned` and, if asked for, `base`. Where
    `generate.server` has the tuned one, None stands for it."""
    from stages.generate import load_model
    from stages.model.hardware import choose_hardware
    from stages.model.loading import load_tokenizer

    tokenizer = load_tokenizer(BASE, params.format_prompts.chat_template)
    tokenizer.eos_token = usage.eos_token
    models = {"tuned": None}
    if not params.generate.server:
        hardware = choose_hardware(params.model.precision)
        models["tuned"] = load_model(params, hardware, usage)
        if base:
            models["base"] = load_model(params, hardware, None)
    return tokenizer, models


def write_with(model, tokenizer, texts: list[str], params: Params, usage: "Usage") -> list[str]:
    """What one of the models writes of each conversation."""
    from stages.generate import summarize

    how = {"progress": False, "frame": usage.rendered}
    return summarize(model, tokenizer, texts, params.format_prompts, params.generate, **how)


def summarizer(params: Params, usage: "Usage", base: bool = False) -> Write:
    """A function from conversations to what each model writes of them, `tuned` and, if asked for,
    `base`. With `generate.server` no model is loaded."""
    tokenizer, models = load_models(params, usage, base)

    def write(texts: list[str]) -> list[dict[str, str]]:
        written = [write_with(one, tokenizer, texts, params, usage) for one in models.values()]
        return [
            dict(zip(models, summaries, strict=True)) for summaries in zip(*written, strict=True)
        ]

    return write
