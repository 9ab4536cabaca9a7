"""The benchmark of QLoRA runs, here on its tiny model, and compares like with like."""

import argparse
import itertools

import pytest
import torch
from data_helpers import ROOT

from benchmarks import gpu_qlora
from benchmarks.gpu_qlora import dialogues, our_batches, plain_batches


def test_both_recipes_count_the_same_useful_tokens():
    expected = sum(
        len(prompt) + sum(map(len, references))
        for prompt, references in itertools.islice(dialogues(500), 200)
    )
    ours = plain = 0
    for batch, useful in our_batches(4096, 500):
        assert batch["input_ids"].numel() <= 4096
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


def test_tiny_run_prints_the_whole_table(monkeypatch, capsys):
    command = ["gpu_qlora", "--tiny", "--steps", "2", "--step-tokens", "1200"]
    monkeypatch.setattr("sys.argv", command)
    # Its runs have processes of their own for the sake of their memory; one here shows the way.
    own, runs = gpu_qlora.run_one, []

    def run_here(folder: str, one: list[str]) -> str:
        runs.append(one)
        if len(runs) == 1:
            return own(folder, one)
        monkeypatch.chdir(folder)
        args = argparse.Namespace(step_tokens=1200, steps=2)
        result = gpu_qlora.measure(*one, args)
        monkeypatch.chdir(ROOT)
        return f"{result['rate']:,.0f} | {result['peak']:.1f}"

    monkeypatch.setattr(gpu_qlora, "run_one", run_here)
    gpu_qlora.main()
    shown = capsys.readouterr().out
    assert "CPU, torch 2." in shown or torch.cuda.is_available()
    rows = [line.split("|")[1:-1] for line in shown.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert [tuple(row[:3]) for row in cells] == list(
        itertools.product(("nf4", "bf16"), ("on", "off"), ("plain", "ours"))
    )
    assert all(float(row[3].replace(",", "")) > 0 and float(row[4]) > 0 for row in cells)
