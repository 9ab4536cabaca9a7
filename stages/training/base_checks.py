"""How a base model takes the references of a dialogue, found by running it on a few tokens.

The references of a dialogue share a row where the attention mask keeps them apart. Elsewhere each
gets a row of its own, whatever the cause: the loss is the same, the prompt is computed more often.
"""

from dataclasses import dataclass
from inspect import signature

import torch
from transformers import DynamicCache
from transformers.cache_utils import LinearAttentionCacheLayerMixin

from stages.common.cli import UserError, is_of_machine
from stages.model.attention import MATMUL
from stages.model.base_config import first_line
from stages.model.tolerance import kind, same_logits
from stages.training.block_masks import BLOCKS, use_blocks
from stages.training.predicted_tokens import is_native, use_predicted_tokens
from stages.training.separate_rows import SeparateCollator
from stages.training.shared_prefix import Collator, build_row

# What models raise for a mask, positions or a length that they do not take.
FORWARD_ERRORS = (TypeError, ValueError, RuntimeError, IndexError, AttributeError, KeyError)
FEW = 8  # tokens


@dataclass(frozen=True)
class Rows:
    """`mask` is the dtype of the mask that keeps the references of a row apart, or `BLOCKS`.

    None: each has a row of its own, and `reason` says why.
    """

    mask: torch.dtype | str | None
    reason: str = ""

    def collator(self, row_tokens: int = 0):
        if self.mask is None:
            return SeparateCollator()
        return Collator(row_tokens, self.mask)


@torch.no_grad()
def choose_rows(
    model,
    prompt_tokens: int = FEW,
    summary_tokens: int = FEW,
    blocks: torch.dtype | None = None,
) -> Rows:
    """The rows that give the logits of one reference alone, also at these lengths.

    With `blocks`, the dtype of matrix products, those of `block_masks` if the model can. Gives the
    model a forward for predicted tokens where it has none. A `UserError` says why a model cannot be
    trained.
    """
    prompt, summary = ids(model, FEW, 3), ids(model, FEW, 7)
    other_prompt = ids(model, FEW - 1, 5) + prompt[-1:]
    alone, by_another = (plain_logits(model, p, summary) for p in (prompt, other_prompt))
    if not alone.isfinite().all():
        raise UserError(
            f"the base model ({kind(model)}) computes what is no number: are its weights whole? Choose"
            f" another one in fetch.model{way_to_fp32(model)}"
        )
    effect = (alone - by_another)[FEW:].abs().mean()
    check_causal(model, alone, effect)
    separate = Rows(None, layers_reason(model, prompt_tokens + summary_tokens))
    dialogues = [build_row(prompt, [summary]), build_row(prompt[:2], [summary])]
    if not is_native(model, on(model, separate.collator()(dialogues))):
        use_predicted_tokens(model)
    if not separate.reason:
        if blocks and fits_blocks(model, effect, blocks, prompt_tokens, summary_tokens):
            return Rows(BLOCKS)
        for mask in (torch.bool, model.dtype):
            # Attention of a model's own may have a window that its config does not show. Elsewhere
            # the mask is all there is. XLA would compile for the length.
            own = mask != torch.bool and model.device.type != "xla"
            sizes = [(FEW, FEW), (prompt_tokens, summary_tokens)][: 1 + own]
            if all(fits(model, Rows(mask), effect, *size) for size in sizes):
                return Rows(mask)
        separate = Rows(None, "its attention does not keep them apart")
    if not fits(model, separate, effect):
        raise UserError(
            f"the base model ({kind(model)}) gives another loss in a batch than alone: choose"
            f" another one in fetch.model{way_to_fp32(model)}"
        )
    return separate


def way_to_fp32(model) -> str:
    """Experts are chosen by what is rounded: a tie may fall otherwise in a batch."""
    return "" if model.dtype == torch.float32 else ", or set model.precision to fp32"


def layers_reason(model, longest: int) -> str:
    """Why the layers that the config names cannot keep references apart; empty if they may."""
    try:
        layers = DynamicCache(config=model.config.get_text_config(decoder=True)).layers
    except FORWARD_ERRORS:
        return ""
    if any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers):
        return "its recurrent layers would mix them"
    # The mask of a shared row replaces the window. Layers that use others' keys have none (Gemma 3n).
    windows = (layer.sliding_window for layer in layers if getattr(layer, "is_sliding", False))
    window = min(windows, default=None)
    if window and window < longest:
        return f"its window of {window} tokens is shorter than a prompt and a summary ({longest})"
    return ""


def check_causal(model, alone: torch.Tensor, effect: torch.Tensor) -> None:
    """Raise a `UserError` where a token changes the logits of those before it."""
    changed = plain_logits(model, ids(model, FEW, 3), ids(model, FEW, 11))
    if not same_logits(model, alone[:FEW], changed[:FEW], effect):
        raise UserError(
            f"the base model ({kind(model)}) reads ahead instead of writing on: choose a decoder"
            " in fetch.model"
        )


def fits_blocks(model, effect: torch.Tensor, dtype: torch.dtype, *lengths: int) -> bool:
    """Whether the model computes its own logits by `block_masks`, which it then uses.

    As training does it: under autocast, several dialogues a row, and with what the model drops.
    """
    if model.config._attn_implementation not in ("sdpa", MATMUL):  # it adds what a mask has not
        return False
    forward, attention, training = model.forward, model.config._attn_implementation, model.training
    use_blocks(model)
    model.train()
    with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
        fitting = fits(model, Rows(BLOCKS), effect, *lengths, row_tokens=3 * sum(lengths))
    model.train(training)
    if not fitting:
        model.forward = forward
        model.set_attn_implementation(attention)
    return fitting


def fits(
    model,
    rows: Rows,
    effect: torch.Tensor,
    prompt_tokens: int = FEW,
    summary_tokens: int = FEW,
    row_tokens: int = 0,
) -> bool:
    """Whether a reference behind another one has the logits in such rows that it has alone."""
    prompt, summary = ids(model, prompt_tokens, 3), ids(model, FEW, 7)
    shorter = build_row(prompt[:2], [summary])  # so that there is padding, or another dialogue
    dialogue = build_row(prompt, [ids(model, summary_tokens, 11), summary])
    try:
        batch = rows.collator(row_tokens)([shorter, dialogue])
        logits = model(**on(model, batch)).logits
    except FORWARD_ERRORS as error:
        if is_of_machine(error):
            raise
        return False
    beside = logits.reshape(-1, logits.shape[-1])[FEW + summary_tokens :].float()
    alone = plain_logits(model, prompt, summary)[-FEW - 1 : -1]
    return beside.shape == alone.shape and same_logits(model, beside, alone, effect)


def plain_logits(model, prompt: list[int], summary: list[int]) -> torch.Tensor:
    """Logits (2 * FEW, vocabulary) of a row's last tokens, as transformers computes them."""
    row = torch.tensor([prompt + summary], device=model.device)
    few = (
        {"logits_to_keep": 2 * FEW}
        if "logits_to_keep" in signature(model.forward).parameters
        else {}
    )
    try:
        logits = model(input_ids=row, attention_mask=torch.ones_like(row), **few).logits
    except FORWARD_ERRORS as error:
        if is_of_machine(error):
            raise
        raise UserError(
            f"the base model ({kind(model)}) does not run on text alone: {first_line(error)}"
        ) from error
    return logits.reshape(-1, logits.shape[-1])[-2 * FEW :].float()


def ids(model, count: int, step: int) -> list[int]:
    """Made-up tokens, another sequence for each step."""
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    return [(step * i + 5) % vocabulary for i in range(1, count + 1)]


def on(model, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.to(model.device) for key, value in batch.items()}
