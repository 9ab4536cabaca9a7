"""The trainer: a validation loss that no batch size changes."""

from pathlib import Path

import pytest
import torch
from datasets import Dataset

from stages.common.cli import UserError
from stages.model.hardware import choose_hardware
from stages.params import Params
from stages.training.lora import load_lora
from stages.training.shared_prefix import Collator, build_row
from stages.training.trainer import make_trainer
from tests.helpers.project import tiny_params

# Prompts and summaries of very unequal length: a mean over batches would be far from one over tokens.
ROWS = [
    build_row([5 + n] * (3 + 7 * n), [[60 + k] * (1 + 9 * n) for k in range(1 + n % 3)])
    for n in range(7)
]


@pytest.fixture(scope="module")
def model(tiny_llama):
    params = Params.model_validate(tiny_params())
    return load_lora(tiny_llama, params, choose_hardware("fp32"))


def trainer_of(model, folder: Path, batch_size: int = 1, row_tokens: int = 0):
    raw = tiny_params()
    raw["finetune"] |= {"per_device_train_batch_size": batch_size, "row_tokens": row_tokens}
    rows = Dataset.from_list(
        [row | {"length": len(row["input_ids"]), "references": 1} for row in ROWS]
    )
    params = Params.model_validate(raw)
    hardware = choose_hardware("fp32")
    return make_trainer(model, (rows, rows), params, hardware, folder, [])


@pytest.fixture(scope="module")
def loss_by_token(model) -> float:
    """The sum over all predicted tokens, a row at a time, by the number of tokens."""
    nats = tokens = 0
    model.eval()
    for row in ROWS:
        batch = Collator()([row])
        labels = batch.pop("shift_labels")
        batch.pop("labels")
        with torch.no_grad():
            logits = model(**batch).logits.view(len(labels), -1)
        nats += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        tokens += len(labels)
    return nats / tokens


@pytest.mark.parametrize(("batch_size", "row_tokens"), [(1, 0), (2, 0), (3, 0), (7, 0), (7, 200)])
def test_validation_loss_is_the_mean_over_predicted_tokens(
    model, tmp_path, loss_by_token, batch_size, row_tokens
):
    trainer = trainer_of(model, tmp_path, batch_size, row_tokens)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(loss_by_token, rel=1e-5)


@pytest.fixture
def short_of_memory(model, tmp_path, monkeypatch):
    """A trainer in whose memory two rows fit, and no more."""
    trainer = trainer_of(model, tmp_path, 7)
    compute_loss = trainer.compute_loss

    def compute(model, inputs, *args, **kwargs):
        if len(inputs["input_ids"]) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        return compute_loss(model, inputs, *args, **kwargs)

    monkeypatch.setattr(trainer, "compute_loss", compute)
    return trainer


def test_validation_splits_what_does_not_fit(short_of_memory, loss_by_token, capsys):
    assert short_of_memory.evaluate()["eval_loss"] == pytest.approx(loss_by_token, rel=1e-5)
    assert "7 x " in capsys.readouterr().out


def test_a_row_of_several_dialogues_that_does_not_fit_names_its_param(short_of_memory, monkeypatch):
    monkeypatch.setattr(short_of_memory.data_collator, "row_tokens", 4096)
    monkeypatch.setattr(short_of_memory, "compute_loss", no_memory)
    with pytest.raises(UserError, match=r"a row of \d+ tokens .* lower finetune\.row_tokens"):
        short_of_memory.evaluate()


def no_memory(*_, **__):
    raise MemoryError


def test_a_batch_of_a_sharded_model_is_not_split(short_of_memory):
    """The other processes would wait for the weights that this one gathers once more."""
    short_of_memory.sharded = True
    with pytest.raises(UserError, match=r"lower finetune\.per_device_train_batch_size"):
        short_of_memory.evaluate()
