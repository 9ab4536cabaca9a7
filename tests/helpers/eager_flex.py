"""FlexAttention on a CPU, where PyTorch compiles no backward pass: its plain form has one."""

import torch.nn.attention.flex_attention as flex
from transformers.integrations import flex_attention as integration


def use_eager_flex(monkeypatch) -> None:
    def eager(query, key, value, training=False, **options):
        return flex.flex_attention(query, key, value, **options)

    monkeypatch.setattr(integration, "compile_friendly_flex_attention", eager)
    monkeypatch.setattr(flex, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    # It refuses what requires a gradient, for the compiled form's sake.
    monkeypatch.setattr(flex, "_validate_device", lambda *_: None)
