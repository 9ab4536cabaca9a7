"""A model that generates from 4-bit weights, or from dense ones of the same values."""

import pytest
import torch

from stages.model import inference
from stages.model.decoding import generate_shared
from stages.model.hardware import Hardware
from stages.model.inference import fits_dense, load_for_inference
from stages.model.loading import load_base
from stages.model.quantization import four_bit_layers, keep_layout
from stages.params import Params
from stages.training.adapter import save_weights
from stages.training.lora import load_lora
from tests.helpers.project import tiny_params

FP32 = Hardware("cpu", torch.float32, "a test")
GPU = Hardware("cuda", torch.bfloat16, "a test")
PROMPTS = [list(range(10, 40)), [70, 71, 72], list(range(90, 120))]


@pytest.fixture(scope="module")
def adapter(tiny_llama, tmp_path_factory):
    raw = tiny_params()
    raw["model"]["quantization"] = "nf4"
    model = load_lora(tiny_llama, Params.model_validate(raw), FP32)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, matrix in model.named_parameters():
            if "lora_B" in name:
                matrix.normal_(std=0.1)
    folder = tmp_path_factory.mktemp("adapter")
    save_weights(model, folder)
    return folder


@pytest.mark.parametrize("tuned", [False, True])
def test_dense_weights_of_the_same_values_write_the_same(
    monkeypatch, tiny_llama, adapter, tuned, capfd
):
    chosen = adapter if tuned else None
    packed = load_for_inference(tiny_llama, chosen, "nf4", FP32)
    assert four_bit_layers(packed)
    keep_layout(packed)  # a CPU would repack 4-bit weights to multiply them in bf16
    monkeypatch.setattr(inference, "fits_dense", lambda *_: True)
    capfd.readouterr()
    dense = load_for_inference(tiny_llama, chosen, "nf4", FP32)
    assert "dequantized" not in capfd.readouterr().err
    assert not four_bit_layers(dense) and not hasattr(dense, "peft_config")
    ids = torch.tensor([PROMPTS[0]])
    with torch.no_grad():
        assert torch.allclose(packed(input_ids=ids).logits, dense(input_ids=ids).logits, atol=1e-4)
    texts = [generate_shared(model, PROMPTS, 0, 20, eos_token_id=1) for model in (packed, dense)]
    assert torch.equal(*texts)


def test_it_takes_half_of_a_gpus_memory(monkeypatch, tiny_llama):
    model = load_base(tiny_llama, "nf4", FP32)
    assert not fits_dense(model, FP32)
    # Of each layer: queries and outputs, keys and values of half the heads, the MLP.
    needed = 2 * 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
    for size, expected in ((2 * needed, True), (2 * needed - 1, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda size=size: (0, size))
        assert fits_dense(model, GPU) == expected
    assert not fits_dense(load_base(tiny_llama, "none", FP32), GPU)
