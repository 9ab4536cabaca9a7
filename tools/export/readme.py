"""The README of an exported model: how to build a prompt for it, wherever it runs."""

import json
from pathlib import Path

from stages.common.resuming import sha256
from stages.model.usage import Usage


def readme(usage: Usage, adapter: Path) -> str:
    """Markdown; `adapter` is the folder that was merged."""
    return f"""# Conversation summarizer

A causal language model that continues a prompt with the summary of a conversation.

{asking(usage)}

{merged_adapter(adapter)}
"""


def asking(usage: Usage) -> str:
    before, after = (json.dumps(text, ensure_ascii=False) for text in usage.rendered)
    bos = "none, the text above has it" if usage.prompt.chat_template else "the tokenizer's own"
    return f"""## How to ask it

1. Clean the conversation as in training: `cleaning` in `summarizer.json` says what is removed or
   replaced. The project that trained the model does it: `python -m tools.summarize FILE`.
2. Write a turn a line, `speaker: text`; a turn without a speaker is its text alone.
3. The prompt is `before`, the conversation, `after`, as `frame` in `summarizer.json` has them:
   - before: `{before}`
   - after: `{after}`
   - beginning-of-sequence token: {bos}.
4. A prompt has at most {usage.prompt.max_prompt_tokens} tokens; of a longer conversation the middle is cut.
5. Stop at `{usage.eos_token}`. `generation_config.json` has the settings of the search."""


def merged_adapter(adapter: Path) -> str:
    """The line by which a merged model is known to hold this adapter and no other."""
    return f"Merged from the adapter with sha256 `{sha256(adapter / 'adapter_model.safetensors')}`."
