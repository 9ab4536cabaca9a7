"""An adapter carries how to use it, and is used so whatever params.yaml says today."""

import json
import shutil
from pathlib import Path

import pytest

from stages.common.cli import UserError
from stages.model import usage
from stages.model.loading import load_tokenizer
from stages.model.tokenization import tokenize_prompt
from stages.params import load
from tests.helpers.project import make_project, prepare

DATED = (
    "<s>system: today is {{ strftime_now('%S %f') }}\n{% for m in messages %}{{ m.role }}:"
    " {{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory, forks, tiny_llama) -> Path:
    """A project whose chat template tells the time, trained for a moment."""
    project = make_project(tmp_path_factory.mktemp("usage") / "project", tiny_llama)
    config = project.root / "llama/tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": DATED}))
    project.params(**{"format_prompts.chat_template": True})
    prepare(project)
    ended = forks.run(project.root, "finetune")
    assert ended.status == 0, ended.said
    return project.root


@pytest.fixture
def trained(trained_once, tmp_path, monkeypatch):
    """A copy of its own for the test, which stands in it."""
    shutil.copytree(trained_once, tmp_path / "trained")
    monkeypatch.chdir(tmp_path / "trained")
    return tmp_path / "trained"


def read() -> usage.Usage:
    return usage.read(Path("models/adapter"), Path("models/base"))


def set_params(root: Path, **changes) -> None:
    from tests.helpers.project import Project

    Project(root).params(**changes)


def test_it_is_the_training_in_sorted_json(trained):
    text = (trained / "models/adapter/summarizer.json").read_text()
    carried = json.loads(text)
    assert text == json.dumps(carried, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    params = load()
    assert carried["prompt"] == params.format_prompts.model_dump()
    assert carried["cleaning"]["lowercase"] is True
    assert carried["cleaning"]["columns"]["conversation"] == "turns"
    assert carried["eos_token"] == "</s>"
    assert carried["base"]["model_type"] == "llama"
    decides_rows_only = {
        *("max_malformed", "holdout", "train_on_validation", "fold", "near_duplicates")
    }
    every = set(params.clean.model_dump())
    assert set(carried["cleaning"]) == every - decides_rows_only


def test_a_template_with_the_date_is_of_one_day(trained):
    """Else the base model's summaries and a resumed training would see another prompt tomorrow."""
    tokenizer = load_tokenizer("models/base", chat=True)
    knobs, frame = load().format_prompts, read().rendered
    prompts = [tokenize_prompt(tokenizer, "customer: hi", knobs, f) for f in (frame, None, None)]
    assert prompts[0] == prompts[1] == prompts[2]
    assert "today is 00 000000" in frame[0]


def test_what_decides_the_rows_alone_retrains_nothing(trained, forks):
    before = (trained / "data/prompts/usage.json").read_bytes()
    set_params(trained, **{"clean.max_malformed": 0.5, "clean.near_duplicates": None})
    for stage in ("clean", "format_prompts"):
        assert forks.run(trained, stage).status == 0
    assert (trained / "data/prompts/usage.json").read_bytes() == before
    set_params(trained, **{"clean.lowercase": False})
    for stage in ("clean", "format_prompts"):
        assert forks.run(trained, stage).status == 0
    assert (trained / "data/prompts/usage.json").read_bytes() != before


def test_params_that_differ_are_told_and_the_adapter_wins(trained, capsys):
    set_params(
        trained,
        **{
            "clean.lowercase": False,
            "clean.columns.text": "elsewhere",
            "clean.holdout": 0.3,
            "format_prompts.max_prompt_tokens": 99,
        },
    )
    today = load()
    params = usage.adopt(read(), today)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "clean.columns.text",
        "clean.lowercase",
        "format_prompts.max_prompt_tokens",
    ]
    assert "params.yaml has 99, the adapter was trained with 168" in lines[2]
    assert params.clean.lowercase and params.clean.columns.text == "said"
    assert params.format_prompts.max_prompt_tokens == 168
    assert params.clean.holdout == 0.3 and params.finetune == today.finetune


def test_generation_is_as_trained_whatever_params_say(trained, forks):
    assert forks.run(trained, "generate@tuned").status == 0
    before = (trained / "data/summaries/tuned.jsonl").read_bytes()
    set_params(trained, **{"format_prompts.template": "Sum up: {conversation}"})
    ended = forks.run(trained, "generate@tuned")
    assert ended.status == 0 and "format_prompts.template: params.yaml has" in ended.said
    assert (trained / "data/summaries/tuned.jsonl").read_bytes() == before


def change(file: str, **values) -> None:
    Path(file).write_text(json.dumps(json.loads(Path(file).read_text()) | values))


def test_the_same_base_of_another_version_is_the_same(trained):
    change("models/base/config.json", transformers_version="9.9.9")
    read()


@pytest.mark.parametrize("what", ["config", "weights"])
def test_another_base_is_refused(trained, what):
    if what == "config":
        change("models/base/config.json", rms_norm_eps=0.1)
    else:
        file = Path("models/base/model.safetensors")
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    with pytest.raises(UserError, match="models/base is not the model that models/adapter was tr"):
        read()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "summarizer.json does not exist: .* run finetune again"),
        ("{", "is not as finetune writes it: run finetune again"),
        ("{}", "is not as finetune writes it: run finetune again"),
    ],
)
def test_an_adapter_that_does_not_say_is_refused(trained, content, said):
    file = trained / "models/adapter/summarizer.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(UserError, match=said):
        read()


def test_cleaning_of_another_version_is_a_sentence(trained):
    carried = read()
    other = carried.model_copy(update={"cleaning": carried.cleaning | {"rhymes": True}})
    with pytest.raises(UserError, match="of another version: run finetune again"):
        usage.adopt(other, load())
