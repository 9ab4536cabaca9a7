"""What training leaves names the base model as others find it, not a folder of this machine."""

import json
import shutil

import pytest
import yaml
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from stages.common.origin import write_origin
from stages.model.loading import load_tuned
from stages.model.usage import Base, Frame, Usage
from stages.params import load
from stages.training import adapter
from tests.helpers.data import ROOT

FIGURES = {"validation_loss": 1.0, "steps": 2, "epochs": 1.0, "trainable_parameters": 3}
COMMIT = "c" * 40


@pytest.fixture
def base(tiny_llama, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is asked
    return shutil.copytree(tiny_llama, tmp_path / "base")


def write(base) -> tuple[dict, dict]:
    """The adapter's config, and the head of its card."""
    params = load(ROOT / "params.yaml")
    model = AutoModelForCausalLM.from_pretrained(base)
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]))
    usage = Usage(
        cleaning={},
        prompt=params.format_prompts,
        frame=Frame(before="", after=""),
        eos_token="</s>",
        base=Base(model_type="llama", sha256="0"),
    )
    folder = base.parent / "adapter"
    adapter.write(tuned, params, FIGURES, usage, folder)
    card = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    return json.loads((folder / "adapter_config.json").read_text()), card


def test_a_base_of_the_hub_is_named_by_repository_and_commit(base):
    write_origin(base, "lab/tiny", COMMIT)
    config, card = write(base)
    assert (config["base_model_name_or_path"], config["revision"]) == ("lab/tiny", COMMIT)
    assert card["base_model"] == "lab/tiny"
    loaded = load_tuned(AutoModelForCausalLM.from_pretrained(base), base.parent / "adapter")
    assert not isinstance(loaded, PeftModel)  # merged, and without a look at a hub


def test_another_base_is_left_for_the_push_to_name(base):
    config, card = write(base)
    assert config["base_model_name_or_path"] == str(base) and config["revision"] is None
    assert "base_model" not in card
