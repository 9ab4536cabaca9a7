"""Loading: device and dtype chosen once, tokenizer, base model, adapter. Safetensors only."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    DynamicCache,
)
from transformers.cache_utils import LinearAttentionCacheLayerMixin
from transformers.utils import logging

from stages.common.attention import PRODUCTS
from stages.common.cli import UserError, out_of_memory
from stages.common.files import need
from stages.common.memory import keep_memory
from stages.common.params import Finetune, FormatPrompts
from stages.common.prompts import end_of_turn

# What the libraries raise at a file that is cut short, is another's or is none of theirs.
BROKEN = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)

keep_memory()
logging.disable_progress_bar()  # loading takes a second; the bars that matter come after it


@dataclass(frozen=True)
class Hardware:
    """Where tensors live, in which dtype they are multiplied, and why."""

    device: str
    dtype: torch.dtype
    reason: str

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')} ({self.reason})"


def choose_hardware(precision: str = "auto") -> Hardware:
    """The fastest dtype that the hardware multiplies natively, unless `precision` names one.

    A CPU without bf16 instructions emulates them a hundred times slower than fp32. XLA (a TPU) is
    taken where PJRT_DEVICE asks for it and torch_xla is installed.
    """
    if os.environ.get("PJRT_DEVICE") and importlib.util.find_spec("torch_xla"):
        device = "xla"
    else:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision != "auto":
        dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
        return Hardware(device, dtype, f"precision is {precision}")
    if device == "xla":
        return Hardware(device, torch.bfloat16, f"PJRT_DEVICE is {os.environ['PJRT_DEVICE']}")
    if device == "cuda":
        name = torch.cuda.get_device_name()
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Hardware(device, torch.bfloat16, f"{name} has bf16")
        return Hardware(device, torch.float32, f"{name} has no bf16")
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return Hardware(device, torch.bfloat16, "this CPU has bf16 instructions")
    return Hardware(device, torch.float32, "this CPU has no bf16 instructions")


def check_support(knobs: Finetune, hardware: Hardware) -> None:
    """Raise a `UserError` that names the first training param that the hardware cannot do."""
    xla, cuda = hardware.device == "xla", hardware.device == "cuda"
    if knobs.optimizer.startswith("paged") and not cuda:
        raise UserError(f"finetune.optimizer is {knobs.optimizer}: it pages a CUDA GPU's memory")
    if xla and knobs.optimizer == "adamw_torch_fused":
        raise UserError(
            "finetune.optimizer is adamw_torch_fused: XLA has no fused one, drop _fused"
        )
    if xla and knobs.ranking.candidates:
        raise UserError(
            "finetune.ranking.candidates: XLA would compile every step of drawing, set it to 0"
        )
    if xla and knobs.activation_checkpointing:
        message = "on XLA use a smaller batch_size and more gradient_accumulation"
        raise UserError(f"finetune.activation_checkpointing is true: {message}")


def check_layers(folder: str | Path, prompting: FormatPrompts, knobs: Finetune) -> None:
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
    longest = prompting.max_prompt_tokens + knobs.max_summary_tokens
    if window and window < longest:
        raise UserError(
            f"the base model sees {window} tokens back, fewer than a prompt and a summary have"
            f" ({longest}): lower format_prompts.max_prompt_tokens"
        )


def load_tokenizer(folder: str | Path, chat: bool = False):
    """The tokenizer of a model folder, sure to have EOS and pad, padding on the left.

    For a `chat` the EOS is the token that ends a turn, whatever ends the tokenizer's documents.
    """
    need(folder, "run fetch@model first")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    except BROKEN as error:
        raise UserError(f"{folder} holds no tokenizer that loads: {_first(error)}") from None
    if chat and not tokenizer.chat_template:
        raise UserError(
            f"format_prompts.chat_template is true, but the tokenizer in {folder} has no chat"
            " template: set it to false, or take a chat model"
        )
    if chat:
        tokenizer.eos_token = end_of_turn(tokenizer)
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer in {folder} has no EOS token: summaries would never end")
    if tokenizer.pad_token_id is None:
        # Padding is masked by length, never by its id, so that any token can stand for it.
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(folder: str | Path, quantization: str, hardware: Hardware):
    """The base model: dense in the hardware's dtype, or quantised by bitsandbytes."""
    need(folder, "run fetch@model first")
    xla = hardware.device == "xla"
    if xla and quantization != "none":
        raise UserError(
            f"finetune.quantization is {quantization}: bitsandbytes has no XLA, use none"
        )
    config = None
    if quantization == "nf4":
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=hardware.dtype,
        )
    elif quantization == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=hardware.dtype,
            quantization_config=config,
            device_map="cpu" if xla else hardware.device,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except BROKEN as error:
        if out_of_memory(error):
            raise
        raise not_loading(folder, error) from None
    # Not sdpa by default: a model with an attention of its own.
    if hardware.device == "cpu" and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(PRODUCTS)
    return model.to("xla") if xla else model


def load_tuned(base, adapter: str | Path):
    """The base with the adapter: merged where the base is dense, for speed; else beside it."""
    need(Path(adapter) / "adapter_config.json", "run finetune first")
    try:
        tuned = PeftModel.from_pretrained(base, str(adapter))
    except BROKEN as error:
        raise UserError(f"{adapter} does not fit the base model: {_first(error)}") from None
    # peft leaves out the layers that the base lacks, and leaves fresh the ones that it adds.
    with safe_open(Path(adapter) / "adapter_model.safetensors", framework="pt") as weights:
        if set(weights.keys()) != set(
            get_peft_model_state_dict(tuned, save_embedding_layers=False)
        ):
            raise UserError(f"{adapter} does not fit the base model: it is of other layers")
    quantised = getattr(base, "is_quantized", False)
    return tuned if quantised else tuned.merge_and_unload()


def not_loading(folder: str | Path, error: Exception) -> UserError:
    return UserError(f"{folder} holds no model that loads: {_first(error)}")


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
