"""Training: the end is learnt, quantised bases train, two runs agree to the bit."""

import json

import pytest

from stages.model.hardware import choose_hardware
from stages.model.loading import load_base, load_tokenizer, load_tuned
from stages.params import Generate
from tests.helpers.faults import peft_copies_inputs
from tests.helpers.project import make_project, prepare, prompting, tiny_params


@pytest.fixture(scope="module")
def trained(tmp_path_factory, forks, tiny_llama):
    """A project whose every reference is one short sentence, trained until it knows it."""
    project = make_project(tmp_path_factory.mktemp("trained") / "project", tiny_llama)
    for file in (project.root / "corpus").glob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        text = "".join(json.dumps(row | {"summaries": ["Done."]}) + "\n" for row in rows)
        file.write_text(text)
    project.params(
        **{
            "finetune.num_train_epochs": 30,
            "finetune.patience": 100,
            "finetune.learning_rate": 0.01,
            "finetune.per_device_train_batch_size": 1,
            "finetune.lora.r": 16,
            "finetune.lora.last_layers": None,
        }
    )
    prepare(project)
    ended = forks.run(project.root, "finetune")
    assert ended.status == 0, ended.said
    return project


def test_learns_the_summary_and_its_end(trained):
    from stages.generate import summarize

    base = trained.root / "models/base"
    tokenizer = load_tokenizer(base)
    model = load_tuned(
        load_base(base, "none", choose_hardware("fp32")), trained.root / "models/adapter"
    )
    knobs = Generate(**tiny_params()["generate"] | {"max_new_tokens": 40})
    prompt = "customer: my parcel 77 never came"
    # Without a learnt EOS the sentence would be followed by 34 more tokens.
    assert summarize(model, tokenizer, [prompt], prompting(), knobs, progress=False) == ["Done."]


def test_writes_adapter_card_metrics_and_curves(trained):
    root = trained.root
    metrics = json.loads((root / "metrics/finetune.json").read_text())
    # Random output weights are small and frozen, so no loss comes near 0; it must fall, though.
    assert metrics["validation_loss"] < 4.5 and metrics["trainable_parameters"] > 0
    assert metrics["tokens_per_second"] > 0 and metrics["peak_memory_gb"] > 0
    assert sorted(p.name for p in (root / "models/adapter").iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "summarizer.json",
    ]
    card = (root / "models/adapter/README.md").read_text()
    assert "library_name: peft" in card and "learning_rate: 0.01" in card
    for curve in ("train", "validation"):
        lines = (root / f"metrics/plots/{curve}_loss.csv").read_text().splitlines()
        assert lines[0] == "step,loss" and len(lines) > 10
    assert not list((root / "models/checkpoints").glob("*"))


def test_quantised_base_trains_on_cpu_near_the_dense_loss(forks, prepared):
    project = prepared
    project.params(**{"finetune.num_train_epochs": 4, "finetune.learning_rate": 0.01})
    losses = {}
    for mode in ("none", "nf4", "int8"):
        project.params(**{"model.quantization": mode})
        ended = forks.run(project.root, "finetune")
        assert ended.status == 0, ended.said
        metrics = json.loads((project.root / "metrics/finetune.json").read_text())
        losses[mode] = metrics["validation_loss"]
    curve = (project.root / "metrics/plots/train_loss.csv").read_text().splitlines()
    gain = float(curve[1].split(",")[1]) - losses["none"]
    # The 4-bit loss stays within a twentieth of what training gained, 0.3: a base that did not
    # train, or trained on other weights, would be far off.
    assert gain > 0.1
    assert losses["nf4"] == pytest.approx(losses["none"], abs=gain / 20)
    assert losses["int8"] == pytest.approx(losses["none"], abs=gain / 20)


def test_inputs_that_peft_does_not_copy_to_fp32_give_the_same_adapter(forks, prepared):
    prepared.params(**{"model.precision": "bf16", "finetune.learning_rate": 0.01})
    adapters = []
    for faults in ([peft_copies_inputs()], []):
        ended = forks.run(prepared.root, "finetune", faults=faults)
        assert ended.status == 0, ended.said
        adapters.append((prepared.root / "models/adapter/adapter_model.safetensors").read_bytes())
    assert adapters[0] == adapters[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"finetune.lora.target_modules": ["nonesuch"]}, "target_modules"),
        ({"finetune.lora.last_layers": 9}, "has 2 layers"),
        ({"finetune.max_summary_tokens": 4}, "max_summary_tokens"),
        ({"finetune.optim": "paged_adamw_8bit"}, "finetune.optim is paged_adamw_8bit"),
        ({"format_prompts.chat_template": True}, "format_prompts.chat_template is true"),
    ],
)
def test_user_errors_are_one_sentence(forks, prepared, change, words):
    project = prepared
    project.params(**change)
    ended = forks.run(project.root, "finetune")
    assert ended.status == 1
    assert words in ended.said.splitlines()[-1] and "Traceback" not in ended.said
    assert not (project.root / "models/adapter").exists()
