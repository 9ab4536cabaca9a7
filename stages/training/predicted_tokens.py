"""Logits and loss of the predicted tokens alone, from models that compute them their own way."""

import inspect

import torch
from torch import nn
from transformers.modeling_outputs import CausalLMOutput


def is_native(model, batch: dict[str, torch.Tensor]) -> bool:
    """Whether the model itself takes a collator's batch: logits of the kept tokens, mean loss.

    The loss must be divided by `num_items_in_batch`, which the trainer gives.
    """
    if not (accepts_any(model.forward) and getattr(model, "accepts_loss_kwargs", True)):
        return False  # the trainer would not give it
    count = len(batch["labels"])
    try:
        output = model(**batch, num_items_in_batch=2 * count)
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        return False
    if output.logits.ndim > 2 and len(output.logits) != 1:
        return False
    logits = output.logits.reshape(-1, output.logits.shape[-1])
    if len(logits) != count or output.loss is None:
        return False
    expected = nn.functional.cross_entropy(logits.float(), batch["labels"]) / 2
    return bool(torch.isclose(output.loss.float(), expected, rtol=1e-3))


def use_predicted_tokens(model) -> None:
    """Give the model a forward that takes a collator's batch, around its own."""
    forward = model.forward
    known, takes_any = inspect.signature(forward).parameters, accepts_any(forward)
    if forward.__name__ == "predict":
        return

    def predict(
        input_ids=None,
        attention_mask=None,
        labels=None,
        shift_labels=None,
        logits_to_keep=None,
        num_items_in_batch=None,
        **others,
    ) -> CausalLMOutput:
        others = {k: v for k, v in others.items() if v is not None and (takes_any or k in known)}
        if logits_to_keep is not None and "logits_to_keep" in known:
            others["logits_to_keep"] = logits_to_keep
        logits = forward(input_ids=input_ids, attention_mask=attention_mask, **others).logits
        kept = isinstance(logits_to_keep, torch.Tensor)
        if kept and logits.shape[:2] == logits_to_keep.shape:
            logits = logits[logits_to_keep]
        if labels is None:
            return CausalLMOutput(logits=logits)
        total = nn.functional.cross_entropy(logits.float(), labels, reduction="sum")
        return CausalLMOutput(loss=total / (num_items_in_batch or len(labels)), logits=logits)

    model.forward = predict
    model.accepts_loss_kwargs = True  # or the trainer would not divide by the step's tokens


def accepts_any(function) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
