"""Several trainings end in one adapter, the mean of theirs, however often they are cut off."""

import json
import shutil

import pytest
import torch
from peft import PeftModel

from stages.common.models import choose_hardware, load_base
from tests.conftest import Project

ADAPTER = "models/adapter/adapter_model.safetensors"
KILLED_IN_THE_SECOND = """
import os, stages.common.trainer as t
begin = t.ResumableTrainer.train
def train(self, **kw):
    if self.args.seed == 43: os._exit(9)
    return begin(self, **kw)
t.ResumableTrainer.train = train
"""


def finetune(forks, root, **params) -> str:
    Project(root).params(**{f"finetune.{key}": value for key, value in params.items()})
    ended = forks.run(root, "finetune")
    assert ended.status == 0, ended.said
    return ended.said


def metrics(root) -> dict:
    return json.loads((root / "metrics/finetune.json").read_text())


def curve(root, name: str) -> list[list[float]]:
    lines = (root / f"metrics/plots/{name}_loss.csv").read_text().splitlines()[1:]
    return [[float(value) for value in line.split(",")] for line in lines]


def updates(root, adapter) -> dict[str, torch.Tensor]:
    """What an adapter adds to each matrix of the base."""
    base = load_base(root / "models/base", "none", choose_hardware("fp32"))
    model = PeftModel.from_pretrained(base, str(adapter))
    return {
        name: module.get_delta_weight("default")
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }


@pytest.fixture
def root(prepared):
    prepared.params(
        **{"finetune.precision": "fp32", "finetune.batch_size": 3, "finetune.learning_rate": 0.01}
    )
    return prepared.root


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_adapter_is_the_mean_of_trainings_with_three_seeds(forks, root, quantization):
    alone, losses, curves = [], [], []
    for seed in (42, 43, 44):
        finetune(forks, root, seed=seed, quantization=quantization)
        shutil.copytree(root / "models/adapter", root / f"alone-{seed}")
        alone.append(updates(root, root / f"alone-{seed}"))
        losses.append(metrics(root)["validation_loss"])
        curves.append(curve(root, "train"))
    steps = metrics(root)["steps"]
    said = finetune(forks, root, seed=42, soup=3)
    assert "training 2 of 3, seed 43" in said
    mean = updates(root, root / "models/adapter")
    assert len(mean) == 7  # all matrices of one layer
    for name, matrix in mean.items():
        expected = sum(one[name] for one in alone) / 3
        assert torch.allclose(matrix, expected, atol=1e-6) and matrix.abs().max() > 1e-4
    # Of random weights nothing is learnt that a mean could improve: it is about as good.
    assert metrics(root)["validation_loss"] == pytest.approx(sum(losses) / 3, abs=0.02)
    assert metrics(root)["validation_loss"] not in losses
    assert metrics(root)["steps"] == 3 * steps and metrics(root)["epochs"] == 3
    assert metrics(root)["tokens_per_second"] > 0
    assert curve(root, "train") == [
        [step + n * steps, loss] for n, points in enumerate(curves) for step, loss in points
    ]
    assert curve(root, "validation")[-1] == [3 * steps, metrics(root)["validation_loss"]]
    assert "the average of 3 trainings" in (root / "models/adapter/README.md").read_text()
    assert not list((root / "models/checkpoints").iterdir())
    assert forks.run(root, "generate@tuned").status == 0


def test_a_training_that_is_done_is_not_done_again(forks, root):
    finetune(forks, root, soup=2)
    expected, curves = (root / ADAPTER).read_bytes(), curve(root, "train")
    shutil.rmtree(root / "models/adapter")
    assert forks.run(root, "finetune", patch=KILLED_IN_THE_SECOND).status == 9
    kept = {path.name for path in (root / "models/checkpoints").glob("*/*")}
    assert "adapter_model.safetensors" in kept and "checkpoint-4" not in kept
    said = finetune(forks, root)
    assert "it is done, and kept in models/checkpoints/" in said
    assert (root / ADAPTER).read_bytes() == expected and curve(root, "train") == curves
    assert not list((root / "models/checkpoints").iterdir())


def test_a_damaged_training_is_done_again(forks, root):
    finetune(forks, root, soup=2)
    expected = (root / ADAPTER).read_bytes()
    assert forks.run(root, "finetune", patch=KILLED_IN_THE_SECOND).status == 9
    (kept,) = (root / "models/checkpoints").glob("*/adapter_model.safetensors")
    kept.write_bytes(kept.read_bytes()[:-9])
    assert "it is done" not in finetune(forks, root)
    assert (root / ADAPTER).read_bytes() == expected
