"""Processes that each hold a part of the base model make what one process makes."""

import json
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
from tests.helpers.faults import no_memory_in_a_layer
from tests.helpers.project import Project
from tests.pipeline.test_processes import (  # noqa: F401, fixtures
    RESUMED,
    TWO,
    agree,
    alone,
    started,
    together,
    two_nodes,
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


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        ("finetune", "a batch does not fit in memory: lower finetune.per_device_train_batch_size"),
        ("generate base", "5 prompts do not fit in memory: lower generate.batch_size"),
    ],
    ids=["finetune", "generate"],
)
def test_one_process_out_of_memory_ends_all_with_its_sentence(together, stage, sentence):  # noqa: F811
    """It is in the middle of the layers, and the others wait for it to gather the next one."""
    sizes = {"finetune.per_device_train_batch_size": 12, "generate.batch_size": 5}
    together.params(**SHARDED, **sizes)
    fault = json.dumps([no_memory_in_a_layer(rows=4)])
    command = ("-m", *f"stages.{stage}".split())
    ended = together.python(*command, check=False, FAULTS_OF_1=fault)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr.count("error: ") == 1 and "Traceback" not in ended.stderr
    assert sentence in ended.stderr.splitlines()[-1]
    assert not workers(together)


def test_a_node_out_of_memory_has_the_sentence_and_the_other_one_says_so(together):  # noqa: F811
    together.params(**{"run.fsdp": True, "finetune.per_device_train_batch_size": 12})
    fault = json.dumps([no_memory_in_a_layer(rows=4)])
    (first, said), (second, reason) = two_nodes(together, FAULTS_OF_1=fault)
    assert (first, second) == (1, 1)
    assert "error: another process ended, see its own error" in said
    assert "error: a batch does not fit in memory: lower finetune.per_device" in reason
    assert "stages/model" not in said + reason  # no traceback of ours


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
