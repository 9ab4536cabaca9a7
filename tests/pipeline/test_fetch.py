"""A real `dvc repro` whose data and base model come from a hub."""

import json

import pytest
import yaml

from tests.helpers.hub_server import TOKEN, Hub, Repository
from tests.helpers.project import make_project

COMMIT = "d" * 40


def shard(split: str, size: int) -> bytes:
    """A shard in DialogStudio's format."""
    rows = {}
    for n in range(1, size + 1):
        summaries = [[f"Customer lost parcel {split} {n}.", "Agent looks for it."]]
        rows[f"TweetSumm--{split}--{n}"] = {
            "original dialog id": f"{split}{n}",
            "dialog index": n,
            "original dialog info": {"summaries": {"abstractive_summaries": summaries}},
            "log": [
                {
                    "turn id": 1,
                    "user utterance": f"my parcel {split} {n} never came",
                    "system response": "sorry, we look for it",
                    "dialog history": "",
                }
            ],
            "prompt": [],
        }
    return json.dumps(rows).encode()


@pytest.fixture
def hub(tiny_llama):
    folder = "dialogue_summarization/TweetSumm"
    sizes = {"train": 8, "val": 3, "test": 3}
    shards = {f"{folder}/{s}/dialogues_1.json": shard(s, n) for s, n in sizes.items()}
    weights = {file.name: file.read_bytes() for file in tiny_llama.iterdir()}
    repositories = {
        "datasets/Salesforce/dialogstudio": Repository(shards, gated="in", commit=COMMIT),
        "models/lab/tiny-llama": Repository(weights | {"pytorch_model.bin": b"pickle"}),
    }
    with Hub(repositories) as server:
        yield server


@pytest.fixture
def project(tmp_path, tiny_llama, hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    project = make_project(tmp_path / "project", tiny_llama)
    project.params(
        **{
            "fetch.dataset.source": "dialogstudio",
            "fetch.dataset.hub.revision": COMMIT,
            "fetch.model.source": "hub",
            "fetch.model.hub.id": "lab/tiny-llama",
            "clean.columns": yaml.safe_load(
                "{id: original dialog id, conversation: log, customer: user utterance,"
                " agent: system response, speaker: null, text: null, speaker_separator: null,"
                " references: original dialog info.summaries.abstractive_summaries}"
            ),
        }
    )
    return project


def test_repro_trains_on_what_a_hub_holds(project, hub):
    said = project.dvc("repro", "finetune").stdout
    assert "fetch: dialogstudio from downloads/" in said
    assert "train 8, validation 3, test 3 rows" in said
    base = project.root / "models/base"
    assert {path.name for path in base.iterdir()} == {
        "origin.json",
        *(
            name
            for name in hub.repositories["models/lab/tiny-llama"].files
            if not name.endswith("bin")
        ),
    }
    assert (project.root / "models/adapter/adapter_model.safetensors").exists()
    assert "pytorch_model" not in "".join(path for _, path, _ in hub.asked)

    asked = len(hub.asked)
    assert "didn't change" in project.dvc("repro", "finetune").stdout
    assert len(hub.asked) == asked
    for file in (path for path in project.root.rglob("*") if path.is_file()):
        assert TOKEN.encode() not in file.read_bytes(), file


def test_stage_without_a_token_ends_with_one_sentence(project, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    done = project.python("-m", "stages.fetch", "dataset", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        (
            "error: dataset Salesforce/dialogstudio is gated: accept its terms at"
            f" {hub.endpoint}/datasets/Salesforce/dialogstudio, then set HF_TOKEN to a token of yours,"
            " or run `hf auth login`"
        )
    ]
    assert not (project.root / "data").joinpath("raw").exists()


def test_server_is_one_to_the_clients_own_downloads(hub, tmp_path, tiny_llama):
    """The server is no copy of what this project happens to ask for."""
    import os
    import subprocess
    import sys

    code = (
        "import sys; from huggingface_hub import snapshot_download\n"
        "print(snapshot_download('lab/tiny-llama', local_dir=sys.argv[1]))"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, str(tmp_path / "model")]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    for file in tiny_llama.iterdir():
        assert (tmp_path / "model" / file.name).read_bytes() == file.read_bytes()
