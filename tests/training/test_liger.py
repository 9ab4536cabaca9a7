"""Liger's kernels: refused where they cannot run, or where they change what the model computes."""

import sys
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch
from transformers import GPT2Config, LlamaConfig

from stages.common.cli import UserError
from stages.model.hardware import Hardware
from stages.params import Params
from stages.training.checks import check_support
from stages.training.liger import use_liger
from stages.training.shared_prefix import Collator, build_row
from tests.helpers.project import tiny_params
from tests.training.test_base_checks import DIALOGUES, HEADS, SMALL, make

CPU, GPU = (Hardware(device, torch.bfloat16, "a test") for device in ("cpu", "cuda"))


def params() -> Params:
    raw = tiny_params()
    raw["finetune"]["use_liger_kernel"] = True
    return Params.model_validate(raw)


def test_it_takes_a_gpu():
    with pytest.raises(UserError, match="take a CUDA GPU, set it to false"):
        check_support(params(), CPU)


def test_it_takes_its_package(monkeypatch):
    monkeypatch.setattr("stages.training.liger.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install -r requirements-gpu\.txt"):
        check_support(params(), GPU)


@pytest.fixture
def liger(monkeypatch):
    """A stand-in: it scales the last norm by `factor`, and notes what it is asked for."""
    patch = ModuleType("liger_kernel.transformers.monkey_patch")
    patch.MODEL_TYPE_TO_APPLY_LIGER_FN, patch.factor = {"llama": None}, 1.0

    def apply(model, **asked):
        patch.asked = asked
        model.model.norm.weight.data *= patch.factor

    patch._apply_liger_kernel_to_instance = apply
    package, transformers = ModuleType("liger_kernel"), ModuleType("liger_kernel.transformers")
    transformers.monkey_patch = patch
    for module in (package, transformers, patch):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return patch


def test_its_fused_loss_is_left_out(liger):
    use_liger(make(LlamaConfig(**SMALL, **HEADS)))
    assert liger.asked == {"cross_entropy": False, "fused_linear_cross_entropy": False}


def test_a_model_that_it_does_not_know_is_refused(liger):
    config = GPT2Config(vocab_size=259, n_embd=32, n_layer=2, n_head=4)
    with pytest.raises(UserError, match="no kernels for gpt2"):
        use_liger(make(config))


def test_kernels_that_give_other_logits_are_refused(liger):
    liger.factor = 1.1
    with pytest.raises(UserError, match="llama has other logits"):
        use_liger(make(LlamaConfig(**SMALL, **HEADS)))


@pytest.mark.skipif(not (torch.cuda.is_available() and find_spec("liger_kernel")), reason="no GPU")
def test_loss_and_gradients_are_those_without_it():
    batch = Collator()([build_row(*dialogue) for dialogue in DIALOGUES])
    batch = {key: value.cuda() for key, value in batch.items()}
    plain, ours = (make(LlamaConfig(**SMALL, **HEADS)).cuda().train() for _ in range(2))
    use_liger(ours)
    losses = [model(**batch, num_items_in_batch=torch.tensor(16)).loss for model in (plain, ours)]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=1e-5)
    for loss in losses:
        loss.backward()
    for one, other in zip(plain.parameters(), ours.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-4)
