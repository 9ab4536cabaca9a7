"""Liger's Triton kernels for norms, rotary positions and MLPs (`finetune.use_liger_kernel`), on a GPU.

Its fused loss is left out: it reads `logits_to_keep` as indices of a sequence, and the collators give
a mask of (rows, length), which it would take for something else. It would save little here, for only
the predicted tokens have logits.
"""

import logging
from importlib.util import find_spec

import torch

from stages.common.cli import UserError
from stages.model.hardware import Hardware
from stages.model.tolerance import kind, same_logits
from stages.training.base_checks import FEW, ids, plain_logits

LEFT_OUT = {"cross_entropy": False, "fused_linear_cross_entropy": False}


def check_liger(hardware: Hardware) -> None:
    """Raise a `UserError` where Liger cannot run."""
    if hardware.device != "cuda":
        raise UserError(
            "finetune.use_liger_kernel is true: its kernels take a CUDA GPU, set it to false"
        )
    if find_spec("liger_kernel") is None:
        raise UserError(
            "finetune.use_liger_kernel needs Liger: pip install -r requirements-gpu.txt"
        )


@torch.no_grad()
def use_liger(model) -> None:
    """Replace layers of the base model by Liger's, in place.

    A `UserError` where Liger does not know the model, or where its layers give other logits.
    """
    logging.getLogger("liger_kernel").setLevel(logging.ERROR)  # or it names backends it lacks
    from liger_kernel.transformers import monkey_patch

    if model.config.model_type not in monkey_patch.MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise UserError(
            f"finetune.use_liger_kernel is true, but Liger has no kernels for {kind(model)}: set it"
            " to false"
        )
    summary = ids(model, FEW, 7)
    alone, by_another = (plain_logits(model, ids(model, FEW, n), summary) for n in (3, 5))
    monkey_patch._apply_liger_kernel_to_instance(model=model, **LEFT_OUT)
    effect = (alone - by_another)[FEW:].abs().mean()
    if not same_logits(model, plain_logits(model, ids(model, FEW, 3), summary), alone, effect):
        raise UserError(
            f"finetune.use_liger_kernel is true, but {kind(model)} has other logits by Liger's"
            " kernels: set it to false"
        )
