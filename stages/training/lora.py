"""The base model with LoRA matrices to train (Hu et al. 2021, https://arxiv.org/abs/2106.09685)."""

from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import set_seed

from stages.common.cli import UserError
from stages.model.hardware import Hardware
from stages.model.loading import load_base
from stages.params import Params
from stages.training.base_checks import check_isolation


def load_frozen(base: Path, params: Params, hardware: Hardware):
    """The base model, checked and prepared for the training of an adapter."""
    model = load_base(base, params.model.quantization, hardware)
    check_isolation(model)
    model.config.use_cache = False
    if params.model.quantization != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return model


def load_lora(base: Path, params: Params, hardware: Hardware) -> PeftModel:
    """The frozen base model with new LoRA matrices, initialised by `finetune.seed`.

    A `UserError` names the key of `finetune.lora` that does not fit the base model.
    """
    set_seed(params.finetune.seed)
    model, lora = load_frozen(base, params, hardware), params.finetune.lora
    layers, last = model.config.num_hidden_layers, lora.last_layers
    if last and last > layers:
        raise UserError(f"finetune.lora.last_layers is {last}: the base model has {layers} layers")
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        layers_to_transform=list(range(layers - last, layers)) if last else None,
        layers_pattern="layers" if last else None,
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"finetune.lora.target_modules {lora.target_modules}: {reason}") from None
