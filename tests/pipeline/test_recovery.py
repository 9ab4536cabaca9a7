"""Training and generation go on where they were, and end in a sentence where they cannot."""

import json
import signal

import pytest
import torch

from stages.common.cli import UserError, out_of_memory
from stages.generation.outcome import refuse_constant
from stages.model.batches import read_finished
from stages.model.hardware import choose_hardware
from stages.model.loading import load_base
from stages.training.batch_splitting import select_rows, split_batch
from stages.training.shared_prefix import Collator, build_row
from tests.helpers.faults import (
    gradients_are_nan,
    loss_is_nan,
    no_memory_in_generation,
    no_memory_in_training,
    optimizer_does_nothing,
    signal_at,
    stopped_after_batches,
)

ADAPTER = "models/adapter/adapter_model.safetensors"


@pytest.fixture
def root(prepared):
    prepared.params(
        **{
            "finetune.num_train_epochs": 2,
            "finetune.per_device_train_batch_size": 3,
            "finetune.lora.dropout": 0.1,
        }
    )
    return prepared.root


def run(forks, root, stage: str, faults=()) -> str:
    ended = forks.run(root, stage, faults=faults)
    assert ended.status == 0, ended.said
    return ended.said


def refused(forks, root, stage: str, status: int = 1, faults=()) -> str:
    ended = forks.run(root, stage, faults=faults)
    assert ended.status == status and "Traceback" not in ended.said, ended.said
    return ended.said.splitlines()[-1]


def test_sigterm_keeps_a_checkpoint_and_a_damaged_one_is_skipped(forks, root):
    run(forks, root, "finetune")
    expected = (root / ADAPTER).read_bytes()
    # Twelve dialogues in batches of three: step 6 is in the second epoch.
    sentence = refused(forks, root, "finetune", 143, [signal_at(step=5)])
    assert "interrupted at step 6 of 8: a checkpoint is kept" in sentence
    (kept,) = (root / "models/checkpoints").iterdir()
    assert {path.name for path in kept.glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-6"}
    weights = kept / "checkpoint-6/optimizer.pt"
    weights.write_bytes(weights.read_bytes()[:-9])
    said = run(forks, root, "finetune")
    assert "checkpoint-6 is damaged or half-written" in said
    assert "resuming from" in said and "checkpoint-4" in said
    assert (root / ADAPTER).read_bytes() == expected and not kept.exists()


def test_ctrl_c_says_what_is_kept_and_the_next_run_resumes(forks, root):
    said = refused(forks, root, "finetune", 130, [signal_at(step=2, number=signal.SIGINT)])
    assert said == "error: interrupted at step 3 of 8: a checkpoint is kept, run again to resume"
    assert "resuming from" in run(forks, root, "finetune")
    said = refused(
        forks, root, "generate@base", 130, [stopped_after_batches(count=1, interrupted=True)]
    )
    assert said == "error: interrupted: 4 of 5 are kept, run again to resume"
    assert "resuming from" in run(forks, root, "generate@base")


def test_data_workers_change_nothing(forks, root):
    params, made = root / "params.yaml", []
    text = params.read_text()
    for workers in (0, 1, 2):
        params.write_text(
            text.replace("dataloader_num_workers: 0", f"dataloader_num_workers: {workers}")
        )
        run(forks, root, "finetune")
        made.append((root / ADAPTER).read_bytes())
    assert "dataloader_num_workers: 2" in params.read_text() and made[0] == made[1] == made[2]


def test_parts_of_a_batch_give_its_loss_and_its_gradients(tiny_llama):
    model = load_base(tiny_llama, "none", choose_hardware("fp32"))
    dialogues = [
        build_row(list(range(10, 10 + n)), [[40 + n, 41, 1], [50, 51 + n, 52, 53, 1]])
        for n in (7, 12, 4)
    ]
    batch = Collator()(dialogues)
    tokens = len(batch["labels"])

    def step(parts) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        losses = [model(**part, num_items_in_batch=tokens).loss for part in parts]
        sum(losses).backward()
        return sum(losses).item(), model.model.layers[0].self_attn.q_proj.weight.grad.clone()

    first, second = split_batch(batch, select_rows)
    assert len(first["labels"]) + len(second["labels"]) == tokens
    assert first["input_ids"].numel() < batch["input_ids"].numel()
    loss, gradient = step([batch])
    for parts in ([first, second], [first, *split_batch(second, select_rows)]):
        again, same = step(parts)
        assert again == pytest.approx(loss, rel=1e-5)
        assert torch.allclose(same, gradient, rtol=1e-3, atol=1e-7)


def test_training_halves_what_does_not_fit(forks, root):
    def losses() -> list[float]:
        metrics = json.loads((root / "metrics/finetune.json").read_text())
        return [metrics["train_loss"], metrics["validation_loss"]]

    params = root / "params.yaml"
    params.write_text(params.read_text().replace("dropout: 0.1", "dropout: 0.0"))
    run(forks, root, "finetune")
    expected = losses()
    said = run(forks, root, "finetune", [no_memory_in_training(rows=1)])
    assert "do not fit in memory: split" in said
    assert losses() == pytest.approx(expected, rel=1e-4)
    said = refused(forks, root, "finetune", faults=[no_memory_in_training(rows=0)])
    assert "lower format_prompts.max_prompt_tokens" in said


def test_generation_splits_what_does_not_fit(forks, root):
    run(forks, root, "generate@base")
    summaries = root / "data/summaries/base.jsonl"
    expected = summaries.read_text()
    said = run(forks, root, "generate@base", [no_memory_in_generation(rows=2)])
    assert "4 prompts do not fit in memory: 2 at a time" in said
    assert summaries.read_text() == expected
    said = refused(forks, root, "generate@base", faults=[no_memory_in_generation(rows=0)])
    assert "lower format_prompts.max_prompt_tokens" in said and summaries.read_text() == expected


def test_memory_errors_are_known_from_others():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert out_of_memory(caught.value)
    assert out_of_memory(MemoryError()) and out_of_memory(torch.OutOfMemoryError("CUDA"))
    assert not out_of_memory(RuntimeError("shapes do not match"))


def test_a_line_that_was_cut_off_is_made_again(tmp_path):
    partial = tmp_path / "partial.jsonl"
    whole = json.dumps({"3": "a", "0": "b"}) + "\n"
    partial.write_text(whole + '{"1": "half a s')
    assert read_finished(partial) == {3: "a", 0: "b"}
    assert partial.read_text() == whole


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (loss_is_nan(step="training_step"), "the training loss at step 1 is not a number"),
        (loss_is_nan(step="prediction_step"), "the validation loss at step 4 is not a number"),
        (gradients_are_nan(), "the training loss at step 2 is not a number"),
    ],
    ids=["loss", "validation loss", "gradients"],
)
def test_a_loss_that_is_no_number_stops_training(forks, root, fault, words):
    sentence = refused(forks, root, "finetune", faults=[fault])
    assert words in sentence and "lower finetune.learning_rate" in sentence
    assert not (root / "models/adapter").exists()


def test_an_adapter_that_changes_nothing_is_refused(forks, root):
    said = refused(forks, root, "finetune", faults=[optimizer_does_nothing()])
    assert "the adapter is empty" in said
    assert not (root / "models/adapter").exists()


def test_constant_summaries_are_refused():
    prompts = [f"prompt {n}" for n in range(20)]
    with pytest.raises(UserError, match="all 20 summaries by the tuned model are the same, 'Sorry"):
        refuse_constant(["Sorry."] * 20, prompts)
    with pytest.raises(UserError, match="are the same, empty"):
        refuse_constant([""] * 20, prompts)
    refuse_constant(["Sorry."] * 19 + ["Yes."], prompts)
    refuse_constant(["Sorry."] * 19, prompts[:19])  # few may be alike
    refuse_constant(["Sorry."] * 20, ["the same prompt"] * 20)


def test_an_adapter_of_another_base_is_refused(forks, root):
    from transformers import LlamaConfig, LlamaForCausalLM

    params = root / "params.yaml"
    params.write_text(params.read_text().replace("last_layers: 1", "last_layers: null"))
    run(forks, root, "finetune")
    config = json.loads((root / "llama/config.json").read_text())
    for change in ({"hidden_size": 32}, {"num_hidden_layers": 1}, {"num_hidden_layers": 3}):
        LlamaForCausalLM(LlamaConfig(**config | change)).save_pretrained(root / "models/base")
        sentence = refused(forks, root, "generate@tuned")
        assert "models/base is not the model that models/adapter was trained on" in sentence
    assert not (root / "data/summaries/tuned.jsonl").exists()
