"""Load the tokenizer, the base model and the adapter. Weights are read from safetensors only."""

from collections import Counter
from pathlib import Path

from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from torch import nn
from transformers import AutoTokenizer
from transformers.utils import logging

from stages.common.atomic_io import need
from stages.common.cli import UserError, is_of_machine
from stages.model.allocator import configure_allocator
from stages.model.attention import MATMUL
from stages.model.base_config import (
    LOAD_ERRORS,
    OTHER_SEARCH,
    auto_class,
    eos_token_id,
    first_line,
    load_config,
    load_error,
    tokenizer_error,
)
from stages.model.hardware import Hardware
from stages.model.quantization import dequantize, quantization_options
from stages.model.sharding import check_sharding
from stages.model.text_part import text_part
from stages.model.tokenization import check_places, end_of_turn, open_ended, special_tokens

configure_allocator()
logging.disable_progress_bar()  # loading takes a second; training and generation have their own


def load_tokenizer(folder: str | Path, chat: bool = False):
    """The tokenizer of a model folder, with an EOS and a pad token, padding on the left.

    For a `chat` the EOS is the token that ends a turn, which may differ from the tokenizer's own. A
    `UserError` says what the folder lacks.
    """
    need(folder, "run fetch@model first")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, padding_side="left", trust_remote_code=False
        )
    except LOAD_ERRORS as error:
        raise tokenizer_error(folder, error) from None
    check_places(tokenizer, folder)
    open_ended(tokenizer)
    if chat and not tokenizer.chat_template:
        raise UserError(
            f"format_prompts.chat_template is true, but the tokenizer in {folder} has no chat"
            " template: set it to false, or use a chat model"
        )
    if tokenizer.eos_token_id is None and (end := eos_token_id(folder)) is not None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if chat:
        tokenizer.eos_token = end_of_turn(tokenizer)
    if tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer in {folder} has no EOS token: summaries would never end")
    check_embedding(tokenizer, folder)
    return tokenizer


def check_embedding(tokenizer, folder: str | Path) -> None:
    """Raise a `UserError` for tokens that the model has no embedding for; pad may be any token."""
    size = load_config(folder).get_text_config(decoder=True).vocab_size
    pad = tokenizer.pad_token_id
    if pad is None or pad >= size:
        # Padding is masked by its position, not by its id, so any token will do.
        tokenizer.pad_token = tokenizer.eos_token
    used = tokenizer.get_vocab().items()
    left_out = {*special_tokens(tokenizer)} - {tokenizer.eos_token, tokenizer.bos_token}
    outside = [token for token, i in used if i >= size and token not in left_out]
    if outside:
        raise UserError(
            f"the tokenizer in {folder} has tokens that the model has no embedding for, such as"
            f" {outside[0]!r}: it belongs to another model"
        )


def load_base(folder: str | Path, quantization: str, hardware: Hardware, fsdp: bool = False):
    """The base model, dense in the hardware's dtype or quantised by bitsandbytes.

    nf4 with double quantisation is that of QLoRA (Dettmers et al. 2023,
    https://arxiv.org/abs/2305.14314). Of a model that also sees, the text part alone. A base that
    was saved quantised stays so. If `fsdp`, it is on the CPU, for `sharding.shard`. A `UserError` says
    what the folder lacks.
    """
    need(folder, "run fetch@model first")
    if fsdp:
        check_sharding(quantization, hardware)
    xla = hardware.device == "xla"
    if hardware.device in ("xla", "mps") and quantization != "none":
        name = {"xla": "XLA", "mps": "Apple's GPUs"}[hardware.device]
        raise UserError(f"model.quantization is {quantization}: not on {name}, use none")
    config = load_config(folder)
    saved = getattr(config, "quantization_config", None)
    if saved and quantization != "none":
        raise UserError(
            f"model.quantization is {quantization}, but the base model is quantised already: set it"
            " to none"
        )
    try:
        model, found = auto_class(config).from_pretrained(
            folder,
            output_loading_info=True,
            dtype=hardware.dtype,
            **quantization_options(quantization, hardware),
            device_map="cpu" if xla or fsdp else hardware.device,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except ImportError as error:  # of the package that reads its kind of quantised weights
        raise UserError(f"{folder} needs another package: {first_line(error)}") from None
    except LOAD_ERRORS as error:
        if is_of_machine(error):
            raise
        raise load_error(folder, error) from None
    check_complete(folder, found["missing_keys"])
    model = text_part(model)
    text = model.config.get_text_config(decoder=True)
    if getattr(text, "output_router_logits", False):
        text.output_router_logits = False  # the loss would be that of the experts' balance, too
    if generation := getattr(model, "generation_config", None):
        for name in OTHER_SEARCH:
            setattr(generation, name, None)
    # Models with another default have an attention of their own.
    if hardware.device == "cpu" and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(MATMUL)
    return model.to("xla") if xla else model


def check_complete(folder: str | Path, missing: set[str]) -> None:
    """Raise a `UserError` where weights are missing: transformers makes up random ones."""
    if missing:
        raise UserError(
            f"{folder} lacks {len(missing)} weights, such as {min(missing)}: fetch the model again,"
            " or choose another one in fetch.model"
        )


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
    if getattr(base, "is_quantized", False):
        return tuned
    untie(base)
    return tuned.merge_and_unload()


def untie(model) -> None:
    """Give each adapted layer weights of its own where another layer shares them.

    Input and output embedding do (GPT-2, Gemma), and blocks that are used again (Zamba). Merged into
    shared weights, an adapter would change all layers that have them.
    """
    adapted = [module for module in model.modules() if hasattr(module, "lora_A")]
    users = Counter(
        id(module._parameters["weight"])
        for module in model.modules()
        if module._parameters.get("weight") is not None
    )
    for module in [module.base_layer for module in adapted]:
        # Experts keep theirs under other names, and share none.
        weight = module._parameters.get("weight")
        if users[id(weight)] > 1:
            module.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    first, last = model.get_input_embeddings(), model.get_output_embeddings()
    if last is not None and first.weight is not last.weight:
        for config in (model.config, model.config.get_text_config(decoder=True)):
            config.tie_word_embeddings = False


def load_dense(folder: str | Path, hardware: Hardware):
    """The base model in full precision, also where it was saved quantised."""
    model = load_base(folder, "none", hardware)
    if getattr(model, "is_quantized", False):
        try:
            dequantize(model)
        except LOAD_ERRORS as error:  # NotImplementedError is a RuntimeError
            what = model.quantization_method
            raise UserError(f"weights of {what} do not turn dense: {first_line(error)}") from None
    return model
