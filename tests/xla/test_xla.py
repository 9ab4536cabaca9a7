"""The tiny Llama trains, resumes and generates on an XLA device, through the real stages.

Run by `make test-xla` in an environment of its own; `make test` does not collect it.
"""

import json

import pytest

from tests.helpers.data import ROOT


def test_trains_resumes_and_generates(prepared, monkeypatch):
    project = prepared
    project.params(**{"finetune.num_train_epochs": 3})
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    killed = project.python("-m", "tests.helpers.faulty", "finetune", "killed_at_save", check=False)
    assert killed.returncode == 9, killed.stderr
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
        ("model.quantization", "nf4"),
        ("finetune.activation_checkpointing", True),
        ("finetune.optim", "adamw_torch_fused"),
        ("finetune.optim", "paged_adamw_8bit"),
    ],
)
def test_what_xla_lacks_is_refused(prepared, key, value):
    prepared.params(**{key: value})
    done = prepared.python("-m", "stages.finetune", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {key} is ")
