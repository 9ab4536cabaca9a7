"""The adapter that training leaves: weights, config, model card."""

from pathlib import Path

from peft import PeftModel

from stages.common.atomic_io import atomic_write
from stages.model.usage import FILE, Usage
from stages.params import Params
from stages.training.card import model_card


def write(model: PeftModel, params: Params, figures: dict, usage: Usage, folder: Path) -> None:
    """Write the folder whole: safetensors, config, how to use it, and `README.md`, the model card."""
    with atomic_write(folder) as aside:
        save_weights(model, aside)
        (aside / FILE).write_text(usage.text(), encoding="utf-8")
        (aside / "README.md").write_text(model_card(params, figures), encoding="utf-8")


def save_weights(model: PeftModel, folder: Path) -> None:
    """Weights in safetensors, and config. An XLA model is on the CPU afterwards."""
    # A set: written as it is, its order would be another in each run.
    config = model.peft_config["default"]
    config.target_modules = sorted(config.target_modules)
    if model.device.type == "xla":
        model.to("cpu")  # safetensors reads a tensor's memory, which XLA does not show
    model.save_pretrained(folder, safe_serialization=True)
