"""Refuse a base model whose attention would mix the references in a shared-prefix row."""

from pathlib import Path

import torch
from transformers import AutoConfig, DynamicCache
from transformers.cache_utils import LinearAttentionCacheLayerMixin

from stages.common.cli import UserError, is_of_machine
from stages.model.loading import LOAD_ERRORS, load_error
from stages.params import Params
from stages.training.shared_prefix import Collator, build_row

MAX_LEAK = 0.1  # share of the effect of another prompt; rounding stays far below it


def check_layers(folder: Path, params: Params) -> None:
    """Raise a `UserError` for a base model with recurrent layers or a sliding window below a row.

    The attention mask separates the references of a row. A recurrent state passes it by. A sliding
    window is applied in generation only: in training the row's own mask replaces it.
    """
    try:
        config = AutoConfig.from_pretrained(folder).get_text_config(decoder=True)
    except LOAD_ERRORS as error:
        raise load_error(folder, error) from None
    layers = DynamicCache(config=config).layers
    if any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers):
        raise UserError(
            f"the base model ({config.model_type}) has recurrent layers, which would mix the"
            " references of a dialogue: choose another one in fetch.model"
        )
    window = min((layer.sliding_window for layer in layers if layer.is_sliding), default=None)
    longest = params.format_prompts.max_prompt_tokens + params.finetune.max_summary_tokens
    if window and window < longest:
        raise UserError(
            f"the base model has a sliding window of {window} tokens, fewer than a prompt and a"
            f" summary have ({longest}): lower format_prompts.max_prompt_tokens"
        )


def check_isolation(model) -> None:
    """Raise a `UserError` where a reference changes the logits of another one in the same row.

    Some attention implementations ignore the mask, or refuse it.
    """
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    prompt, other_prompt, summary, other = (
        [(step * i + 5) % vocabulary for i in range(1, 9)] for step in (3, 5, 7, 11)
    )
    rows = [(prompt, [summary]), (prompt, [other, summary]), (other_prompt, [summary])]
    batch = Collator(0)([build_row(*row) for row in rows])
    inputs = {k: v.to(model.device) for k, v in batch.items() if "labels" not in k}
    message = (
        f"the base model ({model.config.model_type}) lets the references of a dialogue see one"
        " another: choose another one in fetch.model"
    )
    try:
        with torch.no_grad():
            logits = model(**inputs).logits
    except (TypeError, ValueError, RuntimeError) as error:
        if is_of_machine(error):
            raise
        raise UserError(message) from error
    alone, _, beside_other, after_other_prompt = logits.float().view(4, len(summary), -1)
    # Mean change of each token's logits, by another reference and by another prompt.
    leak, effect = ((x - alone).abs().mean(-1) for x in (beside_other, after_other_prompt))
    if leak.max() > MAX_LEAK * effect.mean():
        raise UserError(message)
