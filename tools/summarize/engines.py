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


def summarizer(params: Params, usage: "Usage", base: bool = False) -> Write:
    """A function from conversations to what each model writes of them, `tuned` and, if asked for,
    `base`. With `generate.server` no model is loaded."""
    from stages.generate import load_model, summarize
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

    def write(texts: list[str]) -> list[dict[str, str]]:
        how = {"progress": False, "frame": usage.rendered}
        written = [
            summarize(model, tokenizer, texts, params.format_prompts, params.generate, **how)
            for model in models.values()
        ]
        return [
            dict(zip(models, summaries, strict=True)) for summaries in zip(*written, strict=True)
        ]

    return write
