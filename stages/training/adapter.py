"""The adapter that training leaves: weights, config, model card."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import PeftModel, get_peft_model_state_dict

from stages.common.atomic_io import atomic_write
from stages.common.cli import UserError
from stages.common.origin import read_origin
from stages.model.usage import FILE, Usage
from stages.params import Params
from stages.training.card import model_card


def write(model: PeftModel, params: Params, figures: dict, usage: Usage, folder: Path) -> None:
    """Write the folder whole: safetensors, config, how to use it, and `README.md`, the model card."""
    origin = read_origin(Path(model.peft_config["default"].base_model_name_or_path))
    with atomic_write(folder) as aside:
        save_weights(model, aside)
        if origin:
            name_base(aside, *origin)
        (aside / FILE).write_text(usage.text(), encoding="utf-8")
        card = model_card(params, figures, origin and origin[0])
        (aside / "README.md").write_text(card, encoding="utf-8")


def save_weights(model: PeftModel, folder: Path) -> None:
    """Weights in safetensors, and config. An XLA model is on the CPU afterwards."""
    # A set: written as it is, its order would be another in each run.
    config = model.peft_config["default"]
    config.target_modules = sorted(config.target_modules)
    if model.device.type == "xla":
        model.to("cpu")  # safetensors reads a tensor's memory, which XLA does not show
    # An adapted embedding's own weights are the base model's.
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)


def check_round_trip(model: PeftModel) -> None:
    """Raise a `UserError` where the adapter would not load again as it is saved."""
    if model.device.type == "xla":  # saving would take it off the device
        return
    # New matrices are random before they are loaded: the training keeps its own random numbers.
    with TemporaryDirectory() as folder, torch.random.fork_rng():
        save_weights(model, Path(folder))
        result = model.load_adapter(folder, "saved", torch_device=str(model.device))
        ours, saved = (
            get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
            for name in ("default", "saved")
        )
        same = ours.keys() == saved.keys() and all(torch.equal(ours[k], saved[k]) for k in ours)
        model.delete_adapter("saved")
    if not same or result.unexpected_keys:
        raise UserError(
            "finetune.lora.target_modules: peft saves another adapter than it loads, name other"
            " layers"
        )


def name_base(folder: Path, repository: str, commit: str) -> None:
    """Name the base model as others find it; peft names the local folder it was loaded from.

    Only in the file: peft would look on the hub for a base of this name as it saves the weights.
    """
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": repository, "revision": commit}
    file.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
