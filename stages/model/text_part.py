"""The causal language model in a model that also sees or hears: the rest is not loaded with it."""

import torch
from torch import nn
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

QUANTISED = ("hf_quantizer", "quantization_method", "is_quantized")
QUANTISED += ("is_loaded_in_4bit", "is_loaded_in_8bit", "hf_device_map")


def text_part(model: nn.Module) -> nn.Module:
    """The text model of a composite one, with its weights (Gemma 3, Mistral Small 3, LLaVA).

    A model of text alone is returned as it is, and so is one whose text part transformers cannot
    build alone (Qwen-VL). `decoder_name` tells where its text layers are.
    """
    whole, config = model.config, model.config.get_text_config(decoder=True)
    if config is whole or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return model
    kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    attention = config._attn_implementation
    with torch.device("meta"):
        text = kind(config)
    if type(decoder) is not type(text.base_model) or head is None:
        return model
    setattr(text, text.base_model_prefix, decoder)
    text.set_output_embeddings(head)
    if any(tensor.is_meta for tensor in (*text.parameters(), *text.buffers())):
        return model
    config._attn_implementation = attention
    config.tie_word_embeddings = head.weight is model.get_input_embeddings().weight
    config.architectures, config.dtype = [kind.__name__], model.dtype
    for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if getattr(config, token, None) is None:
            setattr(config, token, getattr(whole, token, None))
    if getattr(model, "is_quantized", False):
        config.quantization_config = whole.quantization_config
    for name in QUANTISED:
        if hasattr(model, name):
            setattr(text, name, getattr(model, name))
    text.generation_config = model.generation_config
    return text.eval()


def text_decoder(model: nn.Module) -> nn.Module:
    """The module that holds the text layers. Of ModernBERT, `get_decoder` gives the output embedding."""
    decoder = model.get_decoder()
    return model.base_model if decoder is model.get_output_embeddings() else decoder


def decoder_name(model: nn.Module) -> str:
    """The dotted name of the module that holds the text layers, as in `named_modules`."""
    decoder = text_decoder(model)
    return next(name for name, module in model.named_modules() if module is decoder)
