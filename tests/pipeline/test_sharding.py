"""Processes that each hold a part of the base model make what one process makes."""

import re
import shutil
from weakref import ref

import pytest
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from stages.common.cli import UserError
from stages.model import sharding
from stages.model.hardware import Hardware, choose_hardware
from stages.model.loading import load_base
from tests.helpers.project import Project
from tests.pipeline.test_processes import (  # noqa: F401, fixtures
    RESUMED,
    TWO,
    agree,
    alone,
    started,
    together,
    workers,
)

SHARDED = {"run.launch": TWO, "run.fsdp": True}
SUMMARIES = "data/summaries/tuned.jsonl"
HELD = re.compile(r"finetune: (\S+) of the base model's (\S+) GB are in each process")


def test_a_killed_training_resumes_in_one_process_and_summaries_are_the_same(together, alone):  # noqa: F811
    together.params(**SHARDED)
    training = started(together)
    workers(together)[1].kill()
    out, _ = training.communicate()
    assert training.returncode == 1
    assert not workers(together)
    here, complete = map(float, HELD.search(out).groups())
    assert 0.49 * complete < here < 0.51 * complete
    together.params(**{"run.launch": None, "run.fsdp": False})
    assert RESUMED in together.python("-m", "stages.finetune").stdout
    agree(together, alone)
    shutil.rmtree(together.root / "models/adapter")
    shutil.copytree(alone.root / "models/adapter", together.root / "models/adapter")
    together.params(**SHARDED)
    together.python("-m", "stages.generate", "tuned")
    assert (together.root / SUMMARIES).read_bytes() == (alone.root / SUMMARIES).read_bytes()
    assert not list((together.root / "data/summaries/.partial").iterdir())


def test_shards_of_four_bits(together, tmp_path):  # noqa: F811
    settings = {
        "model.quantization": "nf4",
        "finetune.num_train_epochs": 2,
        "finetune.activation_checkpointing": True,
        # In the last step of an epoch one process has no row.
        "finetune.per_device_train_batch_size": 1,
        "finetune.gradient_accumulation_steps": 11,
        "finetune.ranking.candidates": 2,
    }
    together.params(**settings)
    shutil.copytree(together.root, tmp_path / "alone")
    one = Project(tmp_path / "alone")
    one.params(**{"run.launch": None})
    one.python("-m", "stages.finetune")
    together.params(**SHARDED)
    out = together.python("-m", "stages.finetune").stdout
    here, complete = map(float, HELD.search(out).groups())
    assert 0.49 * complete < here < 0.51 * complete
    agree(together, one)


def test_one_layer_at_a_time_is_complete_while_a_model_is_sharded(tiny_llama, monkeypatch):
    """A parameter that is still referred to after its layer is sharded would stay on the GPU."""
    model, hardware = (
        load_base(tiny_llama, "none", choose_hardware("fp32")),
        choose_hardware("fp32"),
    )
    ids = torch.tensor([[5, 9, 12, 7]])
    with torch.no_grad():
        expected = model(input_ids=ids).logits
    earlier, alive = [], []

    def fully_shard(part, **options):
        alive.append([shape for reference, shape in earlier if reference() is not None])
        earlier.extend((ref(p), p.shape) for p in part.parameters() if not isinstance(p, DTensor))
        return original(part, **options)

    original = sharding.fully_shard
    monkeypatch.setattr(sharding, "fully_shard", fully_shard)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        sharding.shard(model, hardware)
        assert torch.equal(model(input_ids=ids).logits, expected)
    finally:
        dist.destroy_process_group()
    assert len(alive) == 5 and not any(alive)  # two layers, both embeddings, the norm


@pytest.mark.parametrize(
    ("quantization", "processes", "device", "said"),
    [
        ("none", 1, "cpu", "but one process runs alone: set run.launch"),
        ("int8", 2, "cpu", "int8 has no shards: set model.quantization to nf4"),
        ("none", 2, "mps", "does not go on mps: set it to false"),
    ],
)
def test_what_has_no_shards_is_refused(
    tiny_llama, monkeypatch, quantization, processes, device, said
):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: processes)
    hardware = Hardware(device, choose_hardware("fp32").dtype, "a test")
    with pytest.raises(UserError, match=f"run.fsdp is true.*{said}"):
        load_base(tiny_llama, quantization, hardware, fsdp=True)
