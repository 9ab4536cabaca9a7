"""Every stage struck down at moments drawn at random, then run again: nothing may be lost.

`FAULTS=1000 pytest tests/pipeline/test_faults.py -s` is the long mode; `FAULT_SEED` draws other moments.
"""

import hashlib
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from stages.common.atomic_io import remove
from tests.helpers.fault_server import Ended
from tests.helpers.project import make_project

OUTPUTS = {
    "fetch@dataset": ["data/raw"],
    "fetch@model": ["models/base"],
    "clean": ["data/clean"],
    "format_prompts": ["data/prompts"],
    "finetune": [
        "models/adapter",
        "metrics/finetune.json",
        "metrics/plots/train_loss.csv",
        "metrics/plots/validation_loss.csv",
    ],
    "generate@base": ["data/summaries/base.jsonl"],
    "generate@tuned": ["data/summaries/tuned.jsonl"],
    "score": [
        "data/unsupported.jsonl",
        "metrics/score.json",
        "metrics/dialogues.csv",
        "metrics/plots/bleu_by_length.csv",
        "metrics/plots/summary_length.csv",
        "metrics/plots/faithfulness.csv",
    ],
}
SPEEDS = ("seconds", "tokens_per_second", "peak_memory_gb")
KINDS = ("kill", "kill", "kill at a time", "kill at a time", "term", "full")


def outputs(root: Path, stage: str) -> dict[str, str | None]:
    return {path: digest(root / path) for path in OUTPUTS[stage]}


def leftovers(root: Path, stage: str) -> list[str]:
    """What lies beside the stage's outputs: half-written, half-removed, or kept to go on from."""
    folders = {(root / path).parent for path in OUTPUTS[stage]}
    found = [p.name for folder in folders for p in folder.glob(".*.*.*")]
    kept = [root / "models/checkpoints", root / "data/summaries/.partial"]
    return found + [p.name for folder in kept if folder.exists() for p in folder.iterdir()]


def digest(path: Path) -> str | None:
    """Of what must be the same in every run: speeds and the places of logged losses may vary."""
    if not path.exists():
        return None
    if path.is_dir():
        return str({file.name: digest(file) for file in sorted(path.iterdir())})
    content = path.read_bytes()
    if path.name == "finetune.json":
        metrics = json.loads(content)
        metrics["train_loss"] = round(metrics.get("train_loss", 0.0), 3)
        content = str([v for k, v in metrics.items() if k not in SPEEDS]).encode()
    if path.name == "train_loss.csv":
        content = content.splitlines()[-1].partition(b",")[0]
    return hashlib.sha256(content).hexdigest()


def is_so_far(path: Path) -> bool:
    """Whether it is of a training that was struck down: a curve, or metrics that say so."""
    if path.suffix == ".csv" and path.exists():
        return path.name.endswith("_loss.csv") and path.read_text().startswith("step,loss\n")
    return path.name == "finetune.json" and path.exists() and "in_progress" in path.read_text()


@pytest.fixture(scope="module")
def root(tmp_path_factory, tiny_llama) -> Path:
    project = make_project(tmp_path_factory.mktemp("faults") / "project", tiny_llama)
    project.params(
        **{
            "finetune.per_device_train_batch_size": 2,
            "finetune.gradient_accumulation_steps": 2,
            "finetune.num_train_epochs": 3,
            "finetune.evals_per_epoch": 2,
            "finetune.lora.dropout": 0.1,
            "run.checkpoint_minutes": 0.001,
            "generate.batch_size": 1,
            "generate.do_sample": True,
        }
    )
    return project.root


def draw(undisturbed: dict[str, Ended], count: int, seed: int) -> list[tuple[str, dict]]:
    """Stages in turn, each with a fault: its kind and its moment or its second."""
    dice = random.Random(seed)
    faults = []
    for i in range(count):
        stage = list(OUTPUTS)[i % len(OUTPUTS)]
        kind = dice.choice(KINDS)
        if kind == "kill at a time":
            fault = {"after": dice.uniform(0.05, 1) * undisturbed[stage].seconds}
        else:
            fault = {"kind": kind, "at": dice.randint(1, undisturbed[stage].moments)}
        faults.append((stage, fault))
    return faults


def test_stages_struck_down_anywhere_make_the_same_when_run_again(forks, root, capsys):
    undisturbed, expected = {}, {}
    for stage in OUTPUTS:
        undisturbed[stage] = forks.run(root, stage)
        assert undisturbed[stage].status == 0, undisturbed[stage].said
        expected[stage] = outputs(root, stage)
        assert all(expected[stage].values()) and not leftovers(root, stage)
    number, seed = int(os.environ.get("FAULTS", "16")), int(os.environ.get("FAULT_SEED", "7"))
    counts, wipe = Counter(), random.Random(seed)
    for stage, fault in draw(undisturbed, number, seed):
        if wipe.random() < 0.5:  # as DVC does before it runs a stage
            for path in OUTPUTS[stage]:
                remove(root / path)
        ended = forks.run(root, stage, **fault)
        where, kind = f"{stage}, {fault}:\n{ended.said}", fault.get("kind", "kill at a time")
        counts[f"injected, {kind}"] += 1
        counts["struck"] += ended.status != 0
        # A fault that comes when all is done, or that the stage can do without, changes nothing.
        if kind in ("term", "full") and ended.status != 0:
            assert ended.status == (143 if kind == "term" else 1), where
            assert "Traceback" not in ended.said, where
            assert "error: " in ended.said.splitlines()[-1], where
            assert kind == "term" or "No space left on device" in ended.said, where
        for path, now in outputs(root, stage).items():
            if is_so_far(root / path):
                continue
            assert now in (None, expected[stage][path]), f"{path} is half an output, {where}"
        again = forks.run(root, stage)
        where = f"{where}\nthen {leftovers(root, stage)}:\n{again.said}"
        assert again.status == 0, where
        counts["resumed"] += "resuming from" in again.said
        assert outputs(root, stage) == expected[stage] and not leftovers(root, stage), where
        counts["recovered"] += 1
    with capsys.disabled():
        print(f"\nfaults: {dict(sorted(counts.items()))}, lost: 0")
    assert counts["resumed"] >= 2 and counts["struck"] >= min(20, number / 2)
