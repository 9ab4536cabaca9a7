"""Whether two ways to run a model give the same logits, but for rounding."""

import torch

FP32, LOWER = 0.01, 0.1  # of the effect of another prompt; rounding stays far below


def same_logits(model, one: torch.Tensor, other: torch.Tensor, effect: torch.Tensor) -> bool:
    """`one` and `other` are (…, vocabulary), `effect` the mean change by another prompt."""
    exact = one.dtype == model.dtype == torch.float32 and not getattr(model, "is_quantized", False)
    change = (one.float() - other.float()).abs().mean(-1).max()
    return bool(change <= (FP32 if exact else LOWER) * effect)


def kind(model) -> str:
    """The name of the model's family, as messages have it."""
    return model.config.get_text_config(decoder=True).model_type
