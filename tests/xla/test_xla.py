"""The tiny Llama trains, resumes and generates on an XLA device, through the real stages.

Run by `make test-xla` in an environment of its own; `make test` does not collect it.
"""

import json

import pytest

CRASH = """
import os
import stages.finetune as finetune
from transformers import Trainer, TrainerCallback

class Crash(TrainerCallback):
    def on_save(self, args, state, control, **_):
        os._exit(9)

train = Trainer.train
def crashing(self, **kwargs):
    self.add_callback(Crash())
    return train(self, **kwargs)
Trainer.train = crashing
finetune.main()
"""


def test_trains_resumes_and_generates(prepared):
    project = prepared
    project.params(**{"finetune.num_train_epochs": 3})
    assert project.python("-c", CRASH, check=False).returncode == 9
    assert list((project.root / "models/checkpoints").glob("*/checkpoint-*"))
    done = project.python("-m", "stages.finetune")
    assert "on xla, bfloat16 (PJRT_DEVICE is CPU)" in done.stdout
    assert "resuming from" in done.stdout
    metrics = json.loads((project.root / "metrics/finetune.json").read_text())
    assert metrics["steps"] == 9 and 4 < metrics["validation_loss"] < 6
    assert (project.root / "models/adapter/adapter_model.safetensors").exists()
    done = project.python("-m", "stages.generate", "tuned")
    assert "on xla, bfloat16" in done.stdout
    lines = (project.root / "data/summaries/tuned.jsonl").read_text().splitlines()
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("quantization", "nf4"),
        ("activation_checkpointing", True),
        ("optimizer", "adamw_torch_fused"),
        ("optimizer", "paged_adamw_8bit"),
    ],
)
def test_what_xla_lacks_is_refused(prepared, key, value):
    prepared.params(**{f"finetune.{key}": value})
    done = prepared.python("-m", "stages.finetune", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: finetune.{key} is ")
