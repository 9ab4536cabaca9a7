"""The benchmark of QLoRA runs, here on its tiny model, and compares like with like."""

import itertools

import pytest
import torch

from benchmarks import gpu_models, gpu_qlora
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


def test_tiny_run_prints_both_tables(monkeypatch, tmp_path, capfd):
    training, generation = ("plain", "packed", "blocks", "liger"), ("alone", "batch-64")
    command = ["gpu_qlora", "--tiny", "--steps", "2", "--step-tokens", "500"]
    command += ["--training", *training, "--generation", *generation, "--bases", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    for name, value in warm_environment().items():
        monkeypatch.setenv(name, value)
    gpu_qlora.main()
    shown = capfd.readouterr().out
    assert "CPU, torch 2." in shown or torch.cuda.is_available()
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in shown.splitlines()
        if line.startswith(("| nf4", "| bf16", "| tiny"))
    ]
    assert [file.name for file in (tmp_path / "tiny/models").iterdir()] == ["base"]
    trained, generated = cells[:16], cells[16:]
    assert [(weights, rows, checkpointing) for weights, checkpointing, rows, *_ in trained] == list(
        itertools.product(("nf4", "bf16"), training, ("on", "off"))
    )
    assert [tuple(row[:3]) for row in generated] == list(
        itertools.product(("tiny",), ("nf4", "bf16"), generation)
    )
    assert {len(row) for row in trained} == {7} and {len(row) for row in generated} == {5}
    for row in [*trained, *generated]:
        rate, *_, peak = row[3:]
        if "blocks" in row or "liger" in row:
            assert "CPU" in rate or "CUDA" in rate or float(peak) > 0, row
        else:
            assert float(rate.replace(",", "")) > 0 and float(peak) > 0, row


def test_a_variant_that_ends_its_process_does_not_end_the_table(monkeypatch, tmp_path, capfd):
    (tmp_path / "tiny").mkdir()
    monkeypatch.setattr("sys.argv", ["gpu_qlora", "--no-such-option"])
    gpu_qlora.run_child("training", "tiny", "nf4", tmp_path)
    assert "| tiny | nf4 | ended with status 2 |" in capfd.readouterr().out


def test_a_reason_is_one_cell():
    error = RuntimeError("no | kernel\nfor this")
    assert gpu_models.reason(error) == "RuntimeError: no / kernel"
    assert gpu_models.reason(torch.OutOfMemoryError("CUDA out of memory")) == "out of memory"
