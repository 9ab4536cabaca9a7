"""The model card that travels with an adapter: where it comes from and how well it did."""

import json

import yaml

from stages.common.params import Params


def model_card(params: Params, metrics: dict) -> str:
    """Markdown with the hub's YAML head. The same run gives the same card: no dates, no speeds."""
    card = params.finetune.card
    head = {
        "base_model": card.base,
        "library_name": "peft",
        "pipeline_tag": "summarization",
        "license": card.base_license,
        "tags": ["lora", "customer-support"],
        "metrics": ["bleu"],
    }
    soup = params.finetune.soup
    then = f"; the average of {soup} trainings" if soup > 1 else ""
    if ranking := metrics.get("ranking"):
        then += f"; {ranking['validation_loss']:.4f} after training on a ranking of"
        then += f" {ranking['candidates']:,} of its own candidates"
    knobs = params.model_dump(include={"format_prompts", "finetune"})
    return f"""---
{yaml.safe_dump(head, sort_keys=False).strip()}
---

# Conversation summarizer

A LoRA adapter for {card.base} ({card.base_license}). It summarises a customer-support conversation
in two sentences: the customer's problem, and what the agent did about it.

- **Data**: {card.data} ({card.data_license}), source `{params.fetch.dataset.source}`.
- **Prompt**: `{json.dumps(params.format_prompts.template)}`, cleaned as `clean` in `params.yaml` says.
- **Loss on validation**: {metrics["validation_loss"]:.4f} after {metrics["steps"]} steps,
  {metrics["epochs"]:g} epochs and {metrics["trainable_parameters"]:,} trainable parameters{then}.
- **BLEU on test**: in `metrics/score.json` of the commit that `dvc.lock` ties to this adapter.
- **Limits**: it may state what nobody said. Do not act on a summary without the conversation.

## Parameters

```yaml
{yaml.safe_dump(knobs, sort_keys=False, allow_unicode=True).strip()}
```
"""
