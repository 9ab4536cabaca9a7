"""Refuse a training run that the hardware cannot do, and an adapter that is of no use."""

from pathlib import Path

from peft import PeftModel, get_peft_model_state_dict

from stages.common.cli import UserError
from stages.model.base_config import check_context, load_config
from stages.model.hardware import Hardware
from stages.params import Params
from stages.training.liger import check_liger
from stages.training.trackers import check_installed


def check_support(params: Params, hardware: Hardware) -> None:
    """Raise a `UserError` for the first training param that this machine does not support."""
    check_installed(params.run)
    knobs, xla = params.finetune, hardware.device == "xla"
    if knobs.use_liger_kernel:
        check_liger(hardware)
    if knobs.optim.startswith("paged") and hardware.device != "cuda":
        raise UserError(f"finetune.optim is {knobs.optim}: it pages a CUDA GPU's memory")
    if xla and knobs.optim == "adamw_torch_fused":
        raise UserError("finetune.optim is adamw_torch_fused: XLA does not have it, drop _fused")
    if xla and knobs.ranking.candidates:
        raise UserError(
            "finetune.ranking.candidates: XLA would compile each step of sampling, set it to 0"
        )
    if xla and knobs.activation_checkpointing:
        message = "on XLA use a smaller batch size and more gradient_accumulation_steps"
        raise UserError(f"finetune.activation_checkpointing is true: {message}")


def check_lengths(params: Params, base: Path) -> None:
    """Raise a `UserError` where a prompt and its summary are longer than the base model takes."""
    longest = params.finetune.max_summary_tokens
    prompt = params.format_prompts.max_prompt_tokens
    check_context(load_config(base), prompt, longest, "finetune.max_summary_tokens")


def check_weights(model: PeftModel) -> None:
    """Raise a `UserError` where an adapter has weights that are not finite or change nothing."""
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    if not all(matrix.isfinite().all() for matrix in weights.values()):
        raise UserError("the adapter has weights that are not finite: lower finetune.learning_rate")
    # LoRA adds B·A to a layer, and B starts at 0; of an embedding, A does.
    zeros = [m for name, m in weights.items() if "lora_B" in name or "lora_embedding_A" in name]
    if not any(matrix.any() for matrix in zeros):
        raise UserError(
            "the adapter is empty: its best checkpoint is the first, see finetune.warmup_ratio"
        )
