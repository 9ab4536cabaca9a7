"""The model card that an adapter carries: how it was trained, and what it is good for."""

import json

import yaml
from huggingface_hub import ModelCardData

from stages.params import Params


def model_card(params: Params, figures: dict, base: str | None) -> str:
    """Markdown with the hub's YAML head. The same run gives the same card: no dates, no speeds.

    `base` is the base model's name on the hub, if it came from there. `python -m tools.card` adds
    what `card` in `params.yaml` says, and the scores.
    """
    head = ModelCardData(
        base_model=base,
        library_name="peft",
        pipeline_tag="summarization",
        tags=["lora", "conversations"],
        metrics=["bleu"],
    )
    after = ""
    if ranking := figures.get("ranking"):
        after = f"; {ranking['validation_loss']:.4f} after training on a ranking of"
        after += f" {ranking['candidates']:,} of its own candidates"
    knobs = params.model_dump(include={"format_prompts", "model", "finetune"})
    return f"""---
{head.to_yaml()}
---

# Conversation summarizer

A LoRA adapter. It summarises a conversation in the way of the references it was trained on.

- **Prompt**: `{json.dumps(params.format_prompts.template)}`, cleaned as in training; `summarizer.json`
  has both, as programs read them.
- **Loss on validation**: {figures["validation_loss"]:.4f} after {figures["steps"]} steps,
  {figures["epochs"]:g} epochs and {figures["trainable_parameters"]:,} trainable parameters{after}.
- **Limits**: it may state what nobody said. Do not act on a summary without the conversation.

## Parameters

```yaml
{yaml.safe_dump(knobs, sort_keys=False, allow_unicode=True).strip()}
```
"""
