"""Add an adapter to a base model a file at a time, in the memory of one file.

The model is built without weights, peft puts the adapter on it and says what is to be added to which
weight. Then the base model's weights go through memory one after the other. What does not fit this
(weights stored under other names than the model's, quantised ones, DoRA) is left to `in_memory`.
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from peft import (
    PeftConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from peft.tuners import lora
from peft.utils import AuxiliaryTrainingWrapper, ModulesToSaveWrapper
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from stages.model.loading import LOAD_ERRORS

FILE_SIZE = 10**9  # bytes of weights in a file, at most
PLAIN_STARTS = (True, False, "gaussian", "orthogonal")  # of LoRA, which leave the base as it is


@dataclass
class Change:
    """What becomes of a weight: `start` takes its place if given, what `layer` learnt is added."""

    shape: tuple[int, ...]
    start: torch.Tensor | None = None
    layer: lora.LoraLayer | None = None

    def apply(self, weight: torch.Tensor) -> torch.Tensor:
        weight = weight if self.start is None else self.start
        return weight if self.layer is None else self.layer.get_delta_weight("default").add_(weight)


def merge_sharded(base: Path, adapter: Path, dtype: torch.dtype, folder: Path):
    """Write the merged weights to `folder` in `dtype`; returns the config, or None: it cannot.

    Sums are in fp32 and rounded once. Of tied embeddings of which one is adapted, the folder has
    both, and the config says so.
    """
    config = AutoConfig.from_pretrained(base)
    quantised = getattr(config, "quantization_config", None) is not None
    if quantised or config.get_text_config(decoder=True) is not config:
        return None
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        tied = dict(model.all_tied_weights_keys)
        tuned = without_base_weights(model, adapter)
    except LOAD_ERRORS:
        return None  # the other way says what is wrong
    with ExitStack() as files:
        stored = open_weights(base, files)
        sources = {name: name for name in stored}
        changes = find_changes(tuned, adapter)
        if any(name in (changes or ()) for pair in tied.items() for name in pair):
            sources |= tied
            config.tie_word_embeddings = False
        if changes is None or not fits(changes, sources, stored):
            return None
        write(sources, stored, changes, dtype, folder)
    config.architectures, config.dtype = [type(model).__name__], dtype
    return config


def without_base_weights(model, adapter: Path) -> PeftModel:
    """The adapter, with its weights in fp32, on a model that has none."""
    tuned = get_peft_model(model, PeftConfig.from_pretrained(adapter), low_cpu_mem_usage=True)
    weights = load_file(adapter / "adapter_model.safetensors")
    weights = {name: weight.float() for name, weight in weights.items()}
    set_peft_model_state_dict(tuned, weights, low_cpu_mem_usage=True)
    # peft has moved these to where the base's weights are.
    for name, layer in tuned.named_modules():
        if isinstance(layer, lora.Linear):
            for part in ("lora_A", "lora_B"):
                own = torch.nn.Parameter(weights[f"{name}.{part}.weight"])
                getattr(layer, part)["default"].weight = own
        elif isinstance(layer, lora.Embedding):
            for part in ("lora_embedding_A", "lora_embedding_B"):
                getattr(layer, part)["default"] = torch.nn.Parameter(weights[f"{name}.{part}"])
    return tuned


def open_weights(base: Path, files: ExitStack) -> dict[str, safe_open]:
    """The open file of each weight of the base model, by the weight's name."""
    opened = [files.enter_context(safe_open(f, "pt")) for f in sorted(base.glob("*.safetensors"))]
    return {name: file for file in opened for name in file.keys()}  # noqa: SIM118


def find_changes(tuned: PeftModel, adapter: Path) -> dict[str, Change] | None:
    """What the adapter does to which weight; None where that is more than adding and replacing."""
    config = tuned.peft_config["default"]
    if config.bias != "none" or config.init_lora_weights not in PLAIN_STARTS:
        return None
    with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
        carried = {name for name in file.keys() if ".base_layer." not in name}  # noqa: SIM118
    if carried != set(get_peft_model_state_dict(tuned, save_embedding_layers=False)):
        return None
    changes = {}
    for name, module in tuned.get_base_model().named_modules():
        if isinstance(module, lora.LoraLayer):
            plain = type(module) in (lora.Linear, lora.Embedding)
            if not plain or module.lora_variant or any(module.lora_bias.values()):
                return None
            shape = tuple(module.get_base_layer().weight.shape)
            changes[f"{name}.weight"] = Change(shape, layer=module)
        elif isinstance(module, ModulesToSaveWrapper):
            for part, weight in module.modules_to_save["default"].state_dict().items():
                changes[f"{name}.{part}"] = Change(tuple(weight.shape), start=weight)
        elif isinstance(module, AuxiliaryTrainingWrapper):
            return None
    return changes


def fits(changes: dict[str, Change], sources: dict[str, str], stored: dict) -> bool:
    """Whether each changed weight is stored, by its own name or a tied one's, in its own shape."""
    for name, change in changes.items():
        source = sources.get(name)
        if source not in stored:
            return False
        if tuple(stored[source].get_slice(source).get_shape()) != change.shape:
            return False
    return all(source in stored for source in sources.values())


@torch.no_grad()
def write(
    sources: dict[str, str],
    stored: dict[str, safe_open],
    changes: dict[str, Change],
    dtype: torch.dtype,
    folder: Path,
) -> None:
    """Write a weight for each of `sources`, made of the stored one, to files and their index."""

    def merged(name: str) -> torch.Tensor:
        weight = stored[sources[name]].get_tensor(sources[name])
        weight = changes[name].apply(weight) if name in changes else weight
        return weight.to(dtype).contiguous() if weight.is_floating_point() else weight

    def size(name: str) -> int:
        shape = stored[sources[name]].get_slice(sources[name]).get_shape()
        return torch.Size(shape).numel() * dtype.itemsize

    parts = split_state_dict_into_shards_factory(
        {name: size(name) for name in sources},
        get_storage_size=int,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=FILE_SIZE,
    )
    for file, names in parts.filename_to_tensors.items():
        save_file({name: merged(name) for name in names}, folder / file, {"format": "pt"})
    if parts.is_sharded:
        index = {"metadata": parts.metadata, "weight_map": parts.tensor_to_filename}
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
