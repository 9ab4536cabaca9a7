"""Malformed params, models, adapters, sweeps and conversations to summarise: a sentence each."""

import json
import resource
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from data_helpers import GONE, ROOT, project, python, write_params

from stages.common.cli import UserError
from stages.common.params import Finetune, load
from tests.conftest import prompting, tiny_params
from tools import summarize
from tools.sweep.space import check, read_sweep

LINES = [
    ("", "not valid JSON"),
    ("{", "not valid JSON"),
    ("[" * 100_000, "not valid JSON"),
    ("null", "not a JSON object"),
    ("[]", "not a JSON object"),
    ('"Customer: hi"', "not a JSON object"),
    ("{}", "needs `turns`, a list, or `conversation`, a text"),
    ('{"turns": "hi"}', "needs `turns`, a list"),
    ('{"turns": null, "conversation": 5}', "needs `turns`, a list"),
    ('{"turns": ["hi"]}', "each of `turns` needs a `text`"),
    ('{"turns": [{"text": null}]}', "each of `turns` needs a `text`"),
    ('{"turns": [{"speaker": 1, "text": "a"}]}', "a `speaker` must be a text"),
    ('{"turns": []}', "holds no words to summarise"),
    ('{"conversation": ""}', "holds no words to summarise"),
    ('{"conversation": "Customer: 😀\\nAgent: @bob"}', "holds no words to summarise"),
    ('{"turns": [{"text": "\\u0000"}]}', "holds no words to summarise"),
]


@pytest.mark.parametrize(("line", "said"), LINES)
def test_lines_that_cannot_be_summarised(line, said):
    with pytest.raises(ValueError) as error:
        summarize.read_row(1, line, load(ROOT / "params.yaml"))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        '{"conversation": "Customer: half \\ud83d of an emoji"}',
        json.dumps({"conversation": "Agent: " + "word " * 100_000}),
        '{"turns": [{"text": "مرحبا"}, {"speaker": null, "text": "x", "more": [1]}]}',
    ],
    ids=["surrogate", "long", "right to left"],
)
def test_odd_lines_become_prompts(line):
    params = load(ROOT / "params.yaml")
    row = summarize.read_row(1, line, params)
    assert summarize.prompts_of([row], params)[0].startswith(("Input: customer:", "Input: "))


def test_summarising_redacts_as_training_does():
    params = load(ROOT / "params.yaml")
    row = summarize.read_row(1, '{"conversation": "Customer: I am jo@x.org, order #12345"}', params)
    (prompt,) = summarize.prompts_of([row], params)
    assert prompt == "Input: customer: i am (email), order (number)\nResponse:"


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_files_that_cannot_be_summarised(tmp_path, monkeypatch, kind):
    project(tmp_path, monkeypatch)
    Path("models/base").mkdir(parents=True)
    Path("models/adapter").mkdir()
    if kind == "folder":
        Path("chat.txt").mkdir()
    done = python("-m", "tools.summarize", "chat.txt", cwd=tmp_path)
    assert done.returncode == 1 and "chat.txt" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


PARAMS = [
    ({"clean.redact": "perhaps"}, "clean.redact"),
    ({"clean.redact": GONE}, "clean.redact is missing"),
    ({"clean.near_duplicates": 0}, "clean.near_duplicates"),
    ({"clean.near_duplicates": 1.1}, "clean.near_duplicates"),
    ({"clean.near_duplicates": "often"}, "clean.near_duplicates"),
    ({"clean.near_duplicates": float("nan")}, "clean.near_duplicates is nan"),
    ({"clean.columns": []}, "clean.columns"),
    ({"clean.columns.conversation": None}, "clean.columns.conversation"),
    ({"clean.columns.references": ""}, "clean.columns.references"),
    ({"fetch.dataset.files": None}, "fetch.dataset.files"),
]


@pytest.mark.parametrize(("edits", "said"), PARAMS)
def test_params(tmp_path, edits, said):
    write_params(tmp_path, edits)
    with pytest.raises(UserError) as error:
        load(tmp_path / "params.yaml")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_params_errors_come_as_fast_as_the_imports_let_them(tmp_path):
    write_params(tmp_path, {"clean.redact": 7})

    def cpu_seconds(*arguments: str, said: str = "") -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert python(*arguments, cwd=tmp_path).stderr.startswith(said)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Side by side, for machines differ, and one differs from hour to hour.
    imports = [cpu_seconds("-c", "import polars, pyarrow.parquet, pydantic") for _ in range(3)]
    said = "error: params.yaml: clean.redact is 7"
    stage = [cpu_seconds("-m", "stages.clean", said=said) for _ in range(3)]
    assert min(stage) < 2 * min(imports)


SWEEPS = [
    ("name: [", "is not valid YAML"),
    ("", "sweep.yaml"),
    ("- a", "sweep.yaml"),
    ({"name": "1 x"}, "name"),
    ({"trials": 0}, "trials"),
    ({"space": {}}, "space"),
    ({"more": 1}, "more"),
    ({"space": {"finetune.lora.r": {"low": 1}}}, "space.finetune.lora.r: give either"),
    ({"space": {"finetune.lora.r": {"choices": [0]}}}, "finetune.lora.r cannot be 0"),
    ({"space": {"finetune.lora.x": {"choices": [1]}}}, "finetune.lora.x is no key"),
    ({"space": {"generate.num_beams": {"choices": [1]}}}, "does not change the validation loss"),
    ({"space": {"finetune.lora.r": {"low": 8, "high": 4}}}, "space.finetune.lora.r"),
    ({"space": {"finetune.lora.r": {"choices": []}}}, "space.finetune.lora.r"),
    ({"set": {"clean.redact": "x"}}, "clean.redact cannot be 'x'"),
]


@pytest.mark.parametrize(("edit", "said"), SWEEPS)
def test_sweep_files(tmp_path, edit, said):
    path = tmp_path / "sweep.yaml"
    if isinstance(edit, dict):
        edit = yaml.safe_dump(yaml.safe_load((ROOT / "sweep.yaml").read_text("utf-8")) | edit)
    path.write_text(edit, encoding="utf-8")
    with pytest.raises(UserError) as error:
        check(read_sweep(path), tiny_params(), "sweep.yaml")
    assert said in str(error.value) and "\n" not in str(error.value)


def copied(llama: Path, to: Path) -> Path:
    shutil.copytree(llama, to)
    return to


def edit_json(file: Path, **changes) -> None:
    content = json.loads(file.read_text("utf-8")) | changes
    content = {key: value for key, value in content.items() if value is not GONE}
    file.write_text(json.dumps(content), encoding="utf-8")


BASES = {
    "no tokenizer": lambda f: [p.unlink() for p in f.glob("*token*")],
    "tokenizer is no JSON": lambda f: (f / "tokenizer.json").write_text("{"),
    "tokenizer is another's": lambda f: (f / "tokenizer.json").write_text("{}"),
    "no EOS": lambda f: edit_json(f / "tokenizer_config.json", eos_token=GONE),
    "no config": lambda f: (f / "config.json").unlink(),
    "config is no JSON": lambda f: (f / "config.json").write_text("{"),
    "config of no model": lambda f: edit_json(f / "config.json", model_type="unheard-of"),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "empty weights": lambda f: (f / "model.safetensors").write_bytes(b""),
    "weights cut short": lambda f: (f / "model.safetensors").write_bytes(
        (f / "model.safetensors").read_bytes()[:5000]
    ),
    "pickled weights": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
    "weights of other shapes": lambda f: edit_json(f / "config.json", hidden_size=32),
}


@pytest.mark.parametrize("name", BASES)
def test_base_models(tmp_path, tiny_llama, name):
    from stages.common.models import choose_hardware, load_base, load_tokenizer

    folder = copied(tiny_llama, tmp_path / "base")
    BASES[name](folder)
    with pytest.raises(UserError) as error:
        load_tokenizer(folder)
        load_base(folder, "none", choose_hardware("fp32"))
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("window", [48, None])
def test_base_model_that_sees_fewer_tokens_back_than_a_row_has(tmp_path, tiny_llama, window):
    from stages.common.models import check_layers

    folder = copied(tiny_llama, tmp_path / "base")
    edit_json(folder / "config.json", model_type="mistral", sliding_window=window)
    params = tiny_params()
    params["finetune"]["max_summary_tokens"] = 16
    knobs = Finetune(**params["finetune"])
    check_layers(folder, prompting(32), knobs)
    if window:
        with pytest.raises(UserError, match=f"{window} tokens back.*lower format_prompts"):
            check_layers(folder, prompting(33), knobs)


def test_base_model_of_which_some_layers_carry_a_state(tmp_path):
    from transformers import Lfm2Config

    from stages.common.models import check_layers

    knobs = Finetune(**tiny_params()["finetune"])

    def check(kind: str) -> None:
        layers = ["full_attention", kind]
        Lfm2Config(num_hidden_layers=2, layer_types=layers).save_pretrained(tmp_path)
        check_layers(tmp_path, prompting(), knobs)

    check("full_attention")
    with pytest.raises(UserError, match=r"the base model \(lfm2\) carries a state"):
        check("conv")


def test_tokenizer_without_pad_takes_eos(tmp_path, tiny_llama):
    from stages.common.models import load_tokenizer

    tokenizer = load_tokenizer(copied(tiny_llama, tmp_path / "base"))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id is not None


def adapter(folder: Path, hidden: int = 64) -> Path:
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=259,
        hidden_size=hidden,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    get_peft_model(LlamaForCausalLM(config), lora).save_pretrained(folder)
    return folder


ADAPTERS = {
    "another base's": lambda f: adapter(f, hidden=32),
    "no config": lambda f: (adapter(f) / "adapter_config.json").unlink(),
    "config is no JSON": lambda f: (adapter(f) / "adapter_config.json").write_text("{"),
    "config of another method": lambda f: edit_json(
        adapter(f) / "adapter_config.json", peft_type="X"
    ),
    "no weights": lambda f: (adapter(f) / "adapter_model.safetensors").unlink(),
    "empty weights": lambda f: (adapter(f) / "adapter_model.safetensors").write_bytes(b""),
    "modules the base lacks": lambda f: edit_json(
        adapter(f) / "adapter_config.json", target_modules=["c_attn"]
    ),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters(tmp_path, tiny_llama, name):
    from stages.common.models import choose_hardware, load_base, load_tuned

    ADAPTERS[name](tmp_path / "adapter")
    base = load_base(tiny_llama, "none", choose_hardware("fp32"))
    with pytest.raises(UserError) as error:
        load_tuned(base, tmp_path / "adapter")
    assert str(tmp_path / "adapter") in str(error.value) and "\n" not in str(error.value)


def test_generate_names_what_it_takes(tmp_path, monkeypatch):
    from stages import generate

    project(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["generate", "both"])
    with pytest.raises(UserError, match=r"usage: python -m stages\.generate base|tuned"):
        generate.main()
