"""A clone downloads what another has trained: the cache from a remote, the adapter by its tag."""

import json
import shutil

import pytest
import yaml

from tests.helpers.project import Project


def ran(output: str) -> int:
    return output.count("Running stage '")


@pytest.fixture
def shared(reproduced, tmp_path) -> Project:
    """A copy of the reproduced project, pushed to a remote that is a folder."""
    shutil.copytree(reproduced.root, tmp_path / "first", symlinks=True)
    first = Project(tmp_path / "first")
    first.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    first.run("git", "commit", "-qam", "remote")
    first.dvc("push", "-q", "--run-cache")
    return first


def test_second_clone_downloads_instead_of_training(shared, tmp_path):
    shared.run("git", "clone", "-q", str(shared.root), str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    printed = second.dvc("repro", "--pull").stdout
    assert not ran(printed) and "up to date" in printed
    adapter = "models/adapter/adapter_model.safetensors"
    assert (second.root / adapter).read_bytes() == (shared.root / adapter).read_bytes()
    assert second.run("git", "status", "--porcelain").stdout == ""


def test_adapter_can_be_downloaded_by_the_tag_of_its_version(shared, tmp_path):
    shared.python("-m", "tools.card")
    shared.run("git", "add", "MODEL_CARD.md")
    shared.run("git", "commit", "-qm", "card")
    shared.run("gto", "register", "summarizer")
    assert shared.run("git", "tag").stdout.split() == ["summarizer@v0.0.1"]
    # Later changes do not affect what the tag names.
    shutil.rmtree(shared.root / "models/adapter")
    command = ["artifacts", "get", str(shared.root), "summarizer", "--rev", "v0.0.1"]
    shared.dvc(*command, "-o", str(tmp_path / "adapter"))
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "summarizer.json"} == {
        file.name for file in (tmp_path / "adapter").iterdir()
    }
    card = ["MODEL_CARD.md", "--rev", "summarizer@v0.0.1", "-o", str(tmp_path / "card.md")]
    shared.dvc("get", str(shared.root), *card)
    head, body = (tmp_path / "card.md").read_text(encoding="utf-8").split("---\n", 2)[1:]
    score = json.loads((shared.root / "metrics/score.json").read_text(encoding="utf-8"))
    figures = yaml.safe_load(head)["model-index"][0]["results"][0]["metrics"]
    assert {"type": "bleu", "value": score["tuned"]["bleu"]} in figures
    assert f"| first two turns | {score['first_two_turns']['bleu']:.1f} |" in body
    outs = yaml.safe_load((shared.root / "dvc.lock").read_text())["stages"]["finetune"]["outs"]
    adapter = {out["path"]: out["md5"] for out in outs}["models/adapter"]
    assert f"`models/adapter`, made by `finetune`: md5 `{adapter}`" in body


def test_card_is_refused_if_the_scores_are_of_another_adapter(shared):
    shared.params(**{"finetune.learning_rate": 0.5})
    done = shared.python("-m", "tools.card", check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr and not (shared.root / "MODEL_CARD.md").exists()
