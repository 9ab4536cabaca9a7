"""An exported model is the base with the adapter, loaded by `transformers` alone."""

import json
import os
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.common.cli import UserError
from stages.generate import summarize, tidy
from stages.model import usage
from stages.model.hardware import choose_hardware
from stages.model.loading import load_base, load_tokenizer
from stages.params import load
from tests.helpers.project import Project, prompting
from tools.export import __main__ as export

PROMPTS = [f"Input: customer: my parcel {n} never came\nResponse:" for n in range(3)]


@pytest.fixture
def adapted(prepared, monkeypatch) -> Project:
    """A project with an adapter that changes what the model says, in place of a trained one."""
    monkeypatch.chdir(prepared.root)
    base = AutoModelForCausalLM.from_pretrained("models/base")
    torch.manual_seed(1)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    model = get_peft_model(base, config)
    for name, weights in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weights, std=0.2)
    model.save_pretrained("models/adapter")
    write_usage()
    return prepared


def write_usage() -> None:
    tokenizer = load_tokenizer("models/base")
    carried = usage.of_training(
        Path("data/prompts/usage.json"), tokenizer, load(), Path("models/base")
    )
    Path("models/adapter", usage.FILE).write_text(carried.text(), encoding="utf-8")


def run_export(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["export", *arguments])
    export.main()


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 1e-5), ("bf16", 0.02)])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_logits_are_those_of_base_and_adapter(adapted, monkeypatch, dtype, tolerance, quantization):
    adapted.params(**{"model.quantization": quantization})
    run_export(monkeypatch, "merged", "--dtype", dtype)
    fp32 = {"dtype": torch.float32}
    untuned = AutoModelForCausalLM.from_pretrained("models/base", **fp32)
    beside = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained("models/base", **fp32), "models/adapter"
    )
    merged = AutoModelForCausalLM.from_pretrained("merged", **fp32)
    config = json.loads((adapted.root / "merged/config.json").read_text())
    assert config["dtype"] == {"fp32": "float32", "bf16": "bfloat16"}[dtype]
    assert "quantization_config" not in config
    ids = torch.arange(3, 60)[None]
    with torch.inference_mode():
        want, got, before = (model(ids).logits for model in (beside, merged, untuned))
    # Relative to what the adapter changed: bf16 keeps three digits of a weight.
    assert (got - want).norm() < tolerance * (want - before).norm()
    assert config["torch_dtype"] == config["dtype"] and config["rope_theta"] == 10000.0
    files = {file.name for file in (adapted.root / "merged").iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors"} <= files
    assert not any(name.endswith((".bin", ".pt")) or "adapter" in name for name in files)
    assert (adapted.root / "merged/summarizer.json").read_bytes() == (
        adapted.root / "models/adapter/summarizer.json"
    ).read_bytes()
    assert '- before: `"Input: "`' in (adapted.root / "merged/README.md").read_text()


SEARCHES = {
    "greedy": {},
    "beams": {
        "generate.num_beams": 3,
        "generate.length_penalty": 2.5,
        "generate.min_new_tokens": 6,
        "generate.no_repeat_ngram_size": 2,
        "generate.repetition_penalty": 1.3,
    },
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_it_writes_the_same_summaries(adapted, monkeypatch, search):
    adapted.params(**search)
    run_export(monkeypatch, "merged", "--dtype", "fp32")
    params = load()
    tokenizer = load_tokenizer("models/base")
    beside = PeftModel.from_pretrained(
        load_base("models/base", "none", choose_hardware("fp32")), "models/adapter"
    )
    plain = prompting(template="{conversation}")
    want = summarize(beside, tokenizer, PROMPTS, plain, params.generate, False)
    # As somebody elsewhere would use the folder, with nothing of the project:
    model = AutoModelForCausalLM.from_pretrained("merged")
    alone = AutoTokenizer.from_pretrained("merged", padding_side="left")
    out = model.generate(**alone(PROMPTS, return_tensors="pt", padding=True))
    width = alone(PROMPTS, padding=True, return_tensors="pt").input_ids.shape[1]
    texts = alone.batch_decode(out[:, width:], skip_special_tokens=True)
    assert [tidy(text) for text in texts] == want


def test_generation_config_has_the_params_and_the_end(adapted, monkeypatch):
    adapted.params(**{"generate.do_sample": True, "generate.temperature": 0.7})
    run_export(monkeypatch, "merged")
    config = json.loads((adapted.root / "merged/generation_config.json").read_text())
    assert config["temperature"] == 0.7 and config["max_new_tokens"] == 8
    assert config["do_sample"] and config["top_k"] == 0  # 50 where nothing is said
    assert config["eos_token_id"] == config["pad_token_id"] == 1 and config["bos_token_id"] == 0


def test_greedy_is_said_as_such_and_the_bases_own_settings_stay(adapted, monkeypatch):
    """vLLM samples at temperature 1.0, or as the base model says, where the file is silent."""
    own = {"temperature": 0.6, "top_p": 0.9, "do_sample": True, "suppress_tokens": [7]}
    base = adapted.root / "models/base/generation_config.json"
    base.write_text(json.dumps(own | {"max_length": 4096}), encoding="utf-8")
    run_export(monkeypatch, "merged")
    config = json.loads((adapted.root / "merged/generation_config.json").read_text())
    assert config["do_sample"] is False and config["temperature"] == 0
    assert not {"top_p", "top_k", "max_length"} & config.keys()
    assert config["suppress_tokens"] == [7]
    model = AutoModelForCausalLM.from_pretrained("merged")
    model.save_pretrained("again")  # transformers would not write such a config of its own


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_generation_config_that_is_none_is_named(adapted, text):
    base = adapted.root / "models/base/generation_config.json"
    base.write_text(text, encoding="utf-8")
    done = adapted.python("-m", "tools.export", "merged", check=False)
    assert done.returncode == 1 and not (adapted.root / "merged").exists()
    assert done.stderr.startswith("error: models/base/generation_config.json ")
    assert "JSON" in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_is_replaced_only_when_asked(adapted, monkeypatch):
    os.mkdir("merged")
    (adapted.root / "merged/mine.txt").write_text("mine")
    for earlier in ("config.json", "summarizer.json"):
        (adapted.root / "merged" / earlier).write_text("{}")
    done = adapted.python("-m", "tools.export", "merged", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: merged exists") and "--force" in done.stderr
    assert (adapted.root / "merged/mine.txt").read_text() == "mine"
    run_export(monkeypatch, "merged", "--force")
    assert not (adapted.root / "merged/mine.txt").exists()


def test_an_empty_folder_is_replaced_when_asked(tmp_path):
    export.check_place(tmp_path, force=True)
    with pytest.raises(UserError, match="--force to replace it"):
        export.check_place(tmp_path, force=False)


@pytest.mark.parametrize("folder", ["models", "models/adapter", ".", "params.yaml"])
def test_only_an_earlier_export_is_replaced(adapted, monkeypatch, folder):
    before = {path for path in adapted.root.rglob("*") if "__pycache__" not in path.parts}
    with pytest.raises(UserError, match="is no exported model"):
        run_export(monkeypatch, folder, "--force")
    assert before <= {*adapted.root.rglob("*")}


def test_without_an_adapter_it_says_what_to_do(prepared):
    done = prepared.python("-m", "tools.export", "merged", check=False)
    assert done.returncode == 1 and "models/adapter does not exist" in done.stderr
    assert not (prepared.root / "merged").exists()
