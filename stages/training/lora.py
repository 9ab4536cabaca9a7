"""The base model with LoRA matrices to train (Hu et al. 2021, https://arxiv.org/abs/2106.09685)."""

import re
from functools import cache, partial
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.tuners_utils import _check_lora_target_modules_mamba
from torch import nn
from transformers import set_seed
from transformers.pytorch_utils import Conv1D

from stages.common.cli import UserError
from stages.model.hardware import Hardware
from stages.model.loading import load_base
from stages.model.quantization import keep_layout
from stages.model.sharding import shard
from stages.model.text_part import decoder_name
from stages.params import Lora, Params
from stages.training.adapter import check_round_trip
from stages.training.base_checks import FEW, FORWARD_ERRORS, choose_rows, ids
from stages.training.block_masks import BLOCKS, wants_blocks
from stages.training.liger import use_liger

KEY = "finetune.lora.target_modules"


def load_frozen(base: Path, params: Params, hardware: Hardware):
    """The base model, checked and prepared for the training of an adapter.

    Its `rows` say how the references of a dialogue are put before it.
    """
    model = load_base(base, params.model.quantization, hardware, params.run.fsdp)
    for config in {id(c): c for c in (model.config, model.config.get_text_config())}.values():
        config.use_cache = False
    if getattr(model, "is_quantized", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        keep_layout(model)
    if params.run.fsdp:
        shard(model, hardware)
    if params.finetune.use_liger_kernel:
        use_liger(model)
    limits = params.format_prompts.max_prompt_tokens, params.finetune.max_summary_tokens
    blocks = wants_blocks(params.finetune.row_tokens, hardware)
    model.rows = choose_rows(model, *limits, hardware.dtype if blocks else None)
    if model.rows.mask == BLOCKS:
        print("finetune: rows of several dialogues, under FlexAttention")
    elif blocks and model.rows.mask:
        print("finetune: rows of several dialogues, under a dense mask: FlexAttention does not fit")
    if params.finetune.ranking.candidates and model.rows.mask is None:
        raise UserError(
            "finetune.ranking.candidates: a ranking needs a base model whose references share a"
            f" row, and of this one {model.rows.reason}: set it to 0"
        )
    return model


def load_lora(base: Path, params: Params, hardware: Hardware) -> PeftModel:
    """The frozen base model with new LoRA matrices, initialised by `finetune.seed`.

    A `UserError` names the key of `finetune.lora` that does not fit the base model.
    """
    set_seed(params.finetune.seed)
    model, lora = load_frozen(base, params, hardware), params.finetune.lora
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=shorten(model, layers_to_adapt(model, lora)),
    )
    try:
        model = get_peft_model(model, config)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{KEY} {lora.target_modules}: {reason}") from None
    check_round_trip(model)
    return model


def layers_to_adapt(model, lora: Lora) -> list[str]:
    """Names of the modules of the text part that `finetune.lora` asks for.

    `all-linear` is every linear layer but the output embedding. A `UserError` says what matches
    nothing.
    """
    layers, last = model.config.get_text_config(decoder=True).num_hidden_layers, lora.last_layers
    if last and last > layers:
        raise UserError(f"finetune.lora.last_layers is {last}: the base model has {layers} layers")
    modules, asked = text_modules(model), lora.target_modules
    head, called = model.get_output_embeddings(), called_kinds(model, modules)
    linear = [
        n for n, m in modules.items() if is_linear(m) and m is not head and kind_of(n) in called
    ]
    if asked == "all-linear":
        found = [name for name in linear if not is_refused_by_peft(model, name)]
    elif isinstance(asked, str):
        found = [name for name in modules if re.fullmatch(asked, name)]
    else:
        matches = {one: [n for n in modules if f".{n}".endswith(f".{one}")] for one in asked}
        missing = [one for one, names in matches.items() if not names]
        missing += [one for one in asked if kind_of(one) not in called]
        if missing:
            raise UserError(f"{KEY}: the base model has no {missing[0]}, {what_it_has(linear)}")
        chosen = {name for names in matches.values() for name in names}
        found = [name for name in modules if name in chosen]
    if last:
        found = [name for name in found if layer_of(name, layers) >= layers - last]
    if not found:
        raise UserError(f"{KEY} {asked} matches no layer of the base model, {what_it_has(linear)}")
    return found


def text_modules(model) -> dict[str, nn.Module]:
    """The modules that LoRA can adapt, by name: those that write text, not those that see."""
    decoder, head = decoder_name(model), model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if (is_linear(module) or isinstance(module, nn.Embedding))
        and (not decoder or name.startswith(f"{decoder}.") or module is head)
    }


def is_linear(module: nn.Module) -> bool:
    """Whether it multiplies by a matrix: also quantised, but not in groups (DeepSeek V4)."""
    kind = type(module)
    if kind.__module__.startswith("transformers.models.") and kind.forward is not nn.Linear.forward:
        return computes_linear(kind)
    return isinstance(module, Conv1D) or (
        hasattr(module, "in_features") and hasattr(module, "out_features")
    )


@cache
def computes_linear(kind: type[nn.Module]) -> bool:
    """Whether a class with a forward of its own gives what `nn.Linear` does (Falcon)."""
    with torch.random.fork_rng():  # the training keeps its own random numbers
        plain, states = nn.Linear(2, 3), torch.ones(1, 2)
    try:
        return torch.allclose(kind.forward(plain, states), plain(states))
    except FORWARD_ERRORS:  # it takes more than a matrix
        return False


def called_kinds(model, modules: dict[str, nn.Module]) -> set[str]:
    """The kinds of which any layer is called: some models read a layer's weights past the layer,
    and so past its adapter."""
    called = set()
    hooks = [
        module.register_forward_pre_hook(partial(lambda kind, *_: called.add(kind), kind_of(name)))
        for name, module in modules.items()
    ]
    row = torch.tensor([ids(model, FEW, 3)], device=model.device)
    with torch.no_grad():
        model(input_ids=row, attention_mask=torch.ones_like(row))
    for hook in hooks:
        hook.remove()
    return called


def kind_of(name: str) -> str:
    return name.rpartition(".")[2]


def is_refused_by_peft(model, name: str) -> bool:
    """A few layers of Mamba are read by a kernel that would pass the adapter by."""
    try:
        _check_lora_target_modules_mamba(LoraConfig(), model, kind_of(name))
    except ValueError:
        return True
    return False


def layer_of(name: str, layers: int) -> int:
    """The number of the layer that a module is in; what is in none counts as in the last."""
    return next((int(part) for part in name.split(".") if part.isdecimal()), layers)


def what_it_has(linear: list[str]) -> str:
    kinds = dict.fromkeys(map(kind_of, linear))
    return f"its linear layers are {', '.join(kinds)}: name some of them, or use all-linear"


def shorten(model, names: list[str]) -> list[str]:
    """The last parts of the names where these alone mean the same modules to peft."""
    parts = sorted(set(map(kind_of, names)))
    matched = [n for n, _ in model.named_modules() if kind_of(n) in parts]
    return parts if matched == names else names


def describe(model: PeftModel) -> str:
    """How much of the base model is adapted, as one line."""
    adapted = [m for m in model.modules() if hasattr(m, "lora_A") and hasattr(m, "base_layer")]
    parts = {id(part) for m in adapted for part in m.modules() if part is not m.base_layer}
    linear = sum(is_linear(m) and id(m) not in parts for m in model.modules())
    line = f"LoRA on {len(adapted)} layers; the base model has {linear} linear ones"
    experts = any(p.ndim == 3 and ".experts" in name for name, p in model.named_parameters())
    return line + (" besides its experts" if experts else "")
