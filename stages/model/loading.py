"""Load the tokenizer, the base model and the adapter. Weights are read from safetensors only."""

from pathlib import Path

from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
)
from transformers.utils import logging

from stages.common.atomic_io import need
from stages.common.cli import UserError, is_of_machine
from stages.model.allocator import configure_allocator
from stages.model.attention import MATMUL
from stages.model.hardware import Hardware
from stages.model.tokenization import end_of_turn

# What the libraries raise for a file that is truncated, of another kind or not valid.
LOAD_ERRORS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)

configure_allocator()
logging.disable_progress_bar()  # loading takes a second; training and generation have their own


def load_tokenizer(folder: str | Path, chat: bool = False):
    """The tokenizer of a model folder, with an EOS and a pad token, padding on the left.

    For a `chat` the EOS is the token that ends a turn, which may differ from the tokenizer's own. A
    `UserError` says what the folder lacks.
    """
    need(folder, "run fetch@model first")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    except LOAD_ERRORS as error:
        raise UserError(f"{folder} holds no tokenizer that loads: {first_line(error)}") from None
    if chat and not tokenizer.chat_template:
        raise UserError(
            f"format_prompts.chat_template is true, but the tokenizer in {folder} has no chat"
            " template: set it to false, or use a chat model"
        )
    if chat:
        tokenizer.eos_token = end_of_turn(tokenizer)
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer in {folder} has no EOS token: summaries would never end")
    if tokenizer.pad_token_id is None:
        # Padding is masked by its position, not by its id, so any token will do.
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(folder: str | Path, quantization: str, hardware: Hardware):
    """The base model, dense in the hardware's dtype or quantised by bitsandbytes.

    nf4 with double quantisation is that of QLoRA (Dettmers et al. 2023,
    https://arxiv.org/abs/2305.14314). A `UserError` says what the folder lacks.
    """
    need(folder, "run fetch@model first")
    xla = hardware.device == "xla"
    if hardware.device in ("xla", "mps") and quantization != "none":
        name = {"xla": "XLA", "mps": "Apple's GPUs"}[hardware.device]
        raise UserError(f"model.quantization is {quantization}: not on {name}, use none")
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
    except LOAD_ERRORS as error:
        if is_of_machine(error):
            raise
        raise load_error(folder, error) from None
    # Models with another default have an attention of their own.
    if hardware.device == "cpu" and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(MATMUL)
    return model.to("xla") if xla else model


def load_tuned(base, adapter: str | Path):
    """The base model with the adapter, merged into it for speed if the base is dense.

    A `UserError` says that the adapter is missing or belongs to another base model.
    """
    need(Path(adapter) / "adapter_config.json", "run finetune first")
    try:
        tuned = PeftModel.from_pretrained(base, str(adapter))
    except LOAD_ERRORS as error:
        raise UserError(f"{adapter} does not fit the base model: {first_line(error)}") from None
    # peft ignores weights for layers that the base lacks, and initialises layers without weights.
    with safe_open(Path(adapter) / "adapter_model.safetensors", framework="pt") as weights:
        if set(weights.keys()) != set(
            get_peft_model_state_dict(tuned, save_embedding_layers=False)
        ):
            raise UserError(f"{adapter} does not fit the base model: their layers differ")
    quantised = getattr(base, "is_quantized", False)
    return tuned if quantised else tuned.merge_and_unload()


def load_error(folder: str | Path, error: Exception) -> UserError:
    return UserError(f"{folder} holds no model that loads: {first_line(error)}")


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
