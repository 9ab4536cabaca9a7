"""A preset has the same effect after any other preset."""

import itertools
from copy import deepcopy

import pytest
import yaml

from tests.helpers.data import ROOT
from tests.test_walls import flatten
from tools import preset

# The params that a preset for a dataset, or for a model, must set. The lengths of the texts decide
# the limits and, with the model, the number of prompts in a batch.
OF_DATA = {
    *("fetch.dataset", "clean.columns", "clean.roles", "clean.html", "clean.urls"),
    *("clean.handles", "clean.signatures", "clean.special_characters", "clean.lowercase"),
    *("clean.holdout", "clean.train_on_validation"),
    *("format_prompts.max_prompt_tokens", "finetune.max_summary_tokens"),
    *("finetune.max_train_samples", "finetune.max_eval_samples"),
    *("generate.batch_size", "generate.max_new_tokens", "score.constant"),
    *("card.data", "card.data_license"),
}
OF_MODEL = {
    *("fetch.model", "format_prompts.template", "format_prompts.chat_template", "model"),
    *("finetune.lora", "finetune.num_train_epochs", "finetune.per_device_train_batch_size"),
    *("finetune.gradient_accumulation_steps", "finetune.optim", "finetune.learning_rate"),
    *("finetune.lr_scheduler_type", "finetune.activation_checkpointing", "finetune.ranking"),
    *("finetune.evals_per_epoch", "generate.num_beams", "card.base", "card.base_license"),
}
# A preset as `tools.inspect --write` writes it: other columns, roles, and a folder of files.
WRITTEN = {
    "fetch": {"dataset": {"source": "files", "path": "data/mine", "files": {"train": "a.csv"}}},
    "clean": {
        "columns": "auto",
        "roles": {"bot": "agent"},
        "holdout": 0.2,
        "train_on_validation": False,
        **dict.fromkeys(("handles", "signatures", "special_characters", "lowercase"), False),
    },
    "format_prompts": {"max_prompt_tokens": 912},
    "finetune": {"max_summary_tokens": 304},
    "generate": {"max_new_tokens": 208},
    "score": {"constant": "Nothing to see."},
    "card": {"data": "mine", "data_license": "not stated"},
}
NAMES = sorted(file.stem for file in (ROOT / "presets").glob("*.yaml"))


@pytest.fixture(scope="module")
def layers():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return {name: preset.layers(name) for name in NAMES} | {"written": [WRITTEN]}


DEFAULTS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def write(params: dict, layers: list[dict]) -> dict:
    after = deepcopy(params)
    for layer in layers:
        preset.merge(after, layer, ())
    return after


def leaves(params: dict) -> dict[str, object]:
    """Every param that has an effect: a repository has none if the source is not the hub."""
    used = deepcopy(params)
    if used["fetch"]["dataset"]["source"] not in ("hub", "dialogstudio"):
        del used["fetch"]["dataset"]["hub"]
    if used["fetch"]["dataset"]["source"] != "files":
        del used["fetch"]["dataset"]["files"]
    if used["fetch"]["model"]["source"] != "hub":
        del used["fetch"]["model"]["hub"]
    if not used["finetune"]["ranking"]["candidates"]:
        used["finetune"]["ranking"] = 0
    return {key: value for key, value in flatten(used).items() if not isinstance(value, dict)}


def within(key: str, group: set[str]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in group)


def answers_for(layers: list[dict], key: str) -> bool:
    """Whether the preset must set a param: it sets it, or names the dataset or model it belongs to."""
    named = set().union(*(flatten(layer) for layer in layers))
    return (
        key in named
        or ("fetch.dataset.source" in named and within(key, OF_DATA))
        or ("fetch.model.source" in named and within(key, OF_MODEL))
    )


@pytest.mark.parametrize("name", NAMES)
def test_preset_gives_the_same_params_after_any_other(layers, name):
    alone = leaves(write(DEFAULTS, layers[name]))
    for other in layers:
        after = leaves(write(write(DEFAULTS, layers[other]), layers[name]))
        left = {
            key: (after.get(key), alone.get(key))
            for key in after.keys() | alone.keys()
            if after.get(key) != alone.get(key) and answers_for(layers[name], key)
        }
        assert not left, f"{name} after {other}"


def test_presets_set_only_params_of_the_data_or_the_model(layers):
    keys = {k for part in itertools.chain(*layers.values()) for k, v in flatten(part).items()}
    patches = {k for k in keys if k in leaves(DEFAULTS)}
    assert {key for key in patches if not within(key, OF_DATA | OF_MODEL)} == set()


def test_ungated_preset_trains_as_the_gated_one(layers):
    gated, ungated = (
        leaves(write(DEFAULTS, layers[f"llama2-7b-tweetsumm{end}"])) for end in ("", "-ungated")
    )
    differing = {key for key in gated | ungated if gated.get(key) != ungated.get(key)}
    source = {"fetch", "clean.columns", "card"}
    assert {key for key in differing if not within(key, source)} == set()
