"""The benchmark of QLoRA runs, here on its tiny model, and compares like with like."""

import itertools

import pytest
import torch

from benchmarks import gpu_qlora
from benchmarks.qlora_batches import dialogues, our_batches, plain_batches
from tests.helpers.warm_server import warm_environment


@pytest.mark.parametrize("packed", [False, True])
def test_both_recipes_count_the_same_useful_tokens(packed):
    expected = sum(
        len(prompt) + sum(map(len, references))
        for prompt, references in itertools.islice(dialogues(500), 200)
    )
    ours = plain = 0
    for batch, useful in our_batches(4096, 500, packed):
        assert batch["input_ids"].numel() <= 4096
        assert len(batch["input_ids"]) == 1 or not packed
        ours += useful
        if ours > expected * 0.9:
            break
    for batch, useful in plain_batches(4096, 500):
        assert batch["input_ids"].numel() <= 4096
        assert useful < int(batch["attention_mask"].sum())  # prompts are repeated
        plain += useful
        if plain > expected * 0.9:
            break
    assert ours == pytest.approx(plain, rel=0.1)


def test_tiny_run_prints_the_whole_table(monkeypatch, capfd):
    command = ["gpu_qlora", "--tiny", "--steps", "2", "--step-tokens", "500"]
    monkeypatch.setattr("sys.argv", command)
    for name, value in warm_environment().items():
        monkeypatch.setenv(name, value)
    gpu_qlora.main()
    shown = capfd.readouterr().out
    assert "CPU, torch 2." in shown or torch.cuda.is_available()
    rows = [line.split("|")[1:-1] for line in shown.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert [tuple(row[:3]) for row in cells] == list(
        itertools.product(("nf4", "bf16"), ("on", "off"), ("plain", "ours", "packed"))
    )
    assert all(float(row[3].replace(",", "")) > 0 and float(row[4]) > 0 for row in cells)
