"""Losses of a tiny training are the numbers below, so that a change of training is on purpose.

Where one is: run this test, read the new numbers in its failure, and say in the commit why.
"""

import json

import pytest

from tests.helpers.project import Project

TRAIN = {1: 5.5972, 2: 5.5827, 3: 5.3935, 4: 5.3224, 5: 5.2744, 6: 5.2663}  # by step
VALIDATION = {3: 5.3107, 6: 5.2739}


def curve(project: Project, split: str) -> dict[int, float]:
    header, *lines = (project.root / f"metrics/plots/{split}_loss.csv").read_text().splitlines()
    assert header == "step,loss"
    return {int(step): float(loss) for step, loss in (line.split(",") for line in lines)}


def test_losses_are_the_expected_ones(forks, prepared):
    prepared.params(
        **{
            "model.precision": "fp32",
            "finetune.seed": 42,
            "finetune.num_train_epochs": 2,
            "finetune.per_device_train_batch_size": 2,
            "finetune.gradient_accumulation_steps": 2,
            "finetune.learning_rate": 0.005,
            "finetune.lora.last_layers": None,
            "finetune.lora.r": 8,
        }
    )
    ended = forks.run(prepared.root, "finetune")
    assert ended.status == 0, ended.said
    assert curve(prepared, "validation") == pytest.approx(VALIDATION, abs=1e-3)
    assert curve(prepared, "train") == pytest.approx(TRAIN, abs=1e-3)
    metrics = json.loads((prepared.root / "metrics/finetune.json").read_text())
    assert metrics["steps"] == max(VALIDATION) == 6
