"""Every preset applies, validates and fits its model, and a wrong one changes nothing."""

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config

from stages.model.hardware import Hardware
from stages.params import load
from stages.training import lora as training
from stages.training.base_checks import Rows
from tests.helpers.data import ROOT, python, write_params
from tools import preset

LLAMA2 = LlamaConfig(
    vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32
)
CONFIGS = {  # shapes in the config.json of each model on the hub
    "meta-llama/Llama-2-7b-hf": LLAMA2,
    "NousResearch/Llama-2-7b-hf": LLAMA2,
    "Qwen/Qwen3-0.6B": Qwen3Config(
        vocab_size=151936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    ),
}
NAMES = sorted(file.stem for file in (ROOT / "presets").glob("*.yaml"))


def lora_size(config, r: int) -> int:
    """Trainable parameters of LoRA on all linear layers of the blocks: r (inputs + outputs) each."""
    heads = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    query, key = config.num_attention_heads * heads, config.num_key_value_heads * heads
    hidden, inner = config.hidden_size, config.intermediate_size
    attention = 2 * (hidden + query) + 2 * (hidden + key)
    return config.num_hidden_layers * r * (attention + 3 * (hidden + inner))


COMMENT = re.compile(r"(?:^|\s)(# .*)$", re.MULTILINE)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the project's own params.yaml, layout and all, and its presets."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_preset_applies_and_fits_its_model(workplace, monkeypatch, name):
    before = (workplace / "params.yaml").read_text()
    after = preset.apply(name, before)
    (workplace / "params.yaml").write_text(after)
    params = load()
    assert preset.apply(name, after) == after
    # Comments and layout are kept: only lines with a param of the preset differ.
    leaves = {key for layer in preset.layers(name) for key in leaf_names(layer)}
    changed = set(after.splitlines()) - set(before.splitlines())
    assert {line.split(":")[0].strip(" -") for line in changed} <= leaves
    assert COMMENT.findall(after) == COMMENT.findall(before)
    assert preset.PRESETS.joinpath(f"{name}.yaml").read_text().startswith("# ")
    if params.fetch.model.source == "hub":
        assert_lora_fits(params, monkeypatch)


def assert_lora_fits(params, monkeypatch) -> None:
    config = CONFIGS[params.fetch.model.hub.id]
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    monkeypatch.setattr(training, "load_base", lambda *_: base)
    # There are no numbers to compare.
    monkeypatch.setattr(training, "choose_rows", lambda *_: Rows(torch.bool))
    monkeypatch.setattr(training, "check_round_trip", lambda *_: None)
    kinds = lambda _, modules: set(map(training.kind_of, modules))
    monkeypatch.setattr(training, "called_kinds", kinds)
    # Whether weights are quantised changes no shape; on the meta device there are none.
    dense = params.model_copy(
        update={"model": params.model.model_copy(update={"quantization": "none"})}
    )
    hardware = Hardware("meta", torch.bfloat16, "a test")
    model = training.load_lora(Path("models/base"), dense, hardware)
    assert isinstance(model, PeftModel)
    assert model.num_parameters(only_trainable=True) == lora_size(config, params.finetune.lora.r)
    assert params.format_prompts.max_prompt_tokens < config.max_position_embeddings
    assert params.card.base == params.fetch.model.hub.id


def leaf_names(layer: dict):
    for key, value in layer.items():
        if isinstance(value, dict):
            yield from leaf_names(value)
        else:
            yield key


def test_lora_of_llama_2_has_the_known_size():
    assert lora_size(LLAMA2, 16) == 39_976_960  # as peft reports for r = 16


def test_tool_writes_and_shows_the_difference(workplace):
    before = (workplace / "params.yaml").read_text()
    done = python("-m", "tools.preset", "qwen3-0.6b", cwd=workplace)
    assert done.returncode == 0, done.stderr
    after = (workplace / "params.yaml").read_text()
    assert after == preset.apply("qwen3-0.6b", before) != before
    shown = [line[1:] for line in done.stdout.splitlines() if line.startswith("+ ")]
    assert shown and set(shown) <= set(after.splitlines())
    assert "written" in done.stdout
    again = python("-m", "tools.preset", "qwen3-0.6b", cwd=workplace)
    assert again.stdout == "preset: qwen3-0.6b: already so, nothing changed\n"


def test_params_that_a_preset_does_not_set_are_kept(workplace):
    text = (workplace / "params.yaml").read_text().replace("seed: 42", "seed: 7")
    params = yaml.safe_load(preset.apply("llama2-7b-tweetsumm", text))
    assert params["finetune"]["seed"] == 7 and params["model"]["quantization"] == "nf4"


def test_roles_are_replaced_and_not_merged(workplace):
    before = (workplace / "params.yaml").read_text()
    for number, roles in enumerate(["{user: customer}", "{bot: agent}", "null"]):
        (workplace / f"presets/r{number}.yaml").write_text(f"clean: {{roles: {roles}}}")
        before = preset.apply(f"r{number}", before)
        assert yaml.safe_load(before)["clean"]["roles"] == yaml.safe_load(roles)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("finetune: {lora: {rank: 2}}", "sets finetune.lora.rank, which params.yaml does not have"),
        ("finetune: {lora: {r: 0}}", "preset bad: finetune.lora.r is 0"),
        ("finetune: 3", "preset bad: finetune is 3"),
        ("- finetune", "presets/bad.yaml must hold a part of params.yaml"),
        ("finetune: {", "presets/bad.yaml is not valid YAML"),
        ("presets: [nonesuch]", "there is no preset nonesuch: there are arxiv, bad, cnn-dailymail"),
        ("presets: [bad]", "name one another"),
        ("presets: seed", "presets must be a list"),
    ],
)
def test_wrong_preset_is_one_sentence_and_changes_nothing(workplace, content, message):
    (workplace / "presets/bad.yaml").write_text(content)
    before = (workplace / "params.yaml").read_bytes()
    done = python("-m", "tools.preset", "bad", cwd=workplace)
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert (workplace / "params.yaml").read_bytes() == before
    assert sorted(file.name for file in workplace.iterdir()) == ["params.yaml", "presets"]


@pytest.mark.parametrize(
    ("arguments", "message"), [(["nonesuch"], "there is no preset nonesuch"), ([], "usage: ")]
)
def test_missing_or_unknown_name_lists_the_presets(workplace, arguments, message):
    done = python("-m", "tools.preset", *arguments, cwd=workplace)
    assert done.returncode == 1 and message in done.stderr
    assert all(name in done.stderr for name in NAMES)


def test_invalid_params_are_reported_first(tmp_path):
    write_params(tmp_path, {"clean.holdout": 2})
    done = python("-m", "tools.preset", "seed", cwd=tmp_path)
    assert "params.yaml: clean.holdout is 2" in done.stderr
