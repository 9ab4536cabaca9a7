"""What a training run cannot do is refused before it starts, and what it must not leave after it."""

from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from transformers import AutoConfig, DynamicCache
from transformers.cache_utils import LinearAttentionCacheLayerMixin

from stages.common.cli import UserError, out_of_memory
from stages.model.hardware import Hardware
from stages.model.loading import BROKEN, not_loading
from stages.params import Params
from stages.training.shared_prefix import Collator, build_row


def check_support(params: Params, hardware: Hardware) -> None:
    """Raise a `UserError` that names the first training param that the hardware cannot do."""
    knobs, xla = params.finetune, hardware.device == "xla"
    if knobs.optim.startswith("paged") and hardware.device != "cuda":
        raise UserError(f"finetune.optim is {knobs.optim}: it pages a CUDA GPU's memory")
    if xla and knobs.optim == "adamw_torch_fused":
        raise UserError("finetune.optim is adamw_torch_fused: XLA has no fused one, drop _fused")
    if xla and knobs.ranking.candidates:
        raise UserError(
            "finetune.ranking.candidates: XLA would compile every step of drawing, set it to 0"
        )
    if xla and knobs.activation_checkpointing:
        message = "on XLA use a smaller batch size and more gradient_accumulation_steps"
        raise UserError(f"finetune.activation_checkpointing is true: {message}")


def check_layers(folder: Path, params: Params) -> None:
    """Raise a `UserError` where layers of the base model carry a state along a row, or see fewer
    tokens back than a row has.

    A row's mask says what its tokens see, and neither a state nor a window, to which generation
    would keep, knows of it.
    """
    try:
        config = AutoConfig.from_pretrained(folder).get_text_config(decoder=True)
    except BROKEN as error:
        raise not_loading(folder, error) from None
    layers = DynamicCache(config=config).layers
    if any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers):
        raise UserError(f"the base model ({config.model_type}) carries a state along a row")
    window = min((layer.sliding_window for layer in layers if layer.is_sliding), default=None)
    longest = params.format_prompts.max_prompt_tokens + params.finetune.max_summary_tokens
    if window and window < longest:
        raise UserError(
            f"the base model sees {window} tokens back, fewer than a prompt and a summary have"
            f" ({longest}): lower format_prompts.max_prompt_tokens"
        )


def check_isolation(model) -> None:
    """Raise a `UserError` where the model lets a reference see the others of its row.

    So does one whose attention takes no mask of this kind, or that carries a state along the row.
    """
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    prompt, changed, summary, other = (
        [(step * i + 5) % vocabulary for i in range(1, 9)] for step in (3, 5, 7, 11)
    )
    rows = [(prompt, [summary]), (prompt, [other, summary]), (changed, [summary])]
    batch = Collator(0)([build_row(*row) for row in rows])
    inputs = {k: v.to(model.device) for k, v in batch.items() if "labels" not in k}
    refusal = f"the base model ({model.config.model_type}) does not keep a row's references apart"
    try:
        with torch.no_grad():
            logits = model(**inputs).logits
    except (TypeError, ValueError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        raise UserError(refusal) from error
    alone, _, beside, after = logits.float().view(4, len(summary), -1)
    leak, sway = ((one - alone).abs().mean(-1) for one in (beside, after))  # of each token
    # Rounding differs with what a row holds, but by far less than with the prompt.
    if leak.max() > 0.1 * sway.mean():
        raise UserError(refusal)


def check_weights(model: PeftModel) -> None:
    """Refuse an adapter that is none: no numbers, or weights that change nothing."""
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    if not all(matrix.isfinite().all() for matrix in weights.values()):
        raise UserError("the adapter holds weights that are no numbers: lower learning_rate")
    if not any(matrix.any() for name, matrix in weights.items() if "lora_B" in name):
        raise UserError(
            "the adapter is empty, its best step is the first: see finetune.warmup_ratio"
        )
