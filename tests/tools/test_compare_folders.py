"""Changes of folders and sections in dvc.lock are found with Git only, and agree with DVC."""

import json
import shutil

import pytest
import yaml

from tests.helpers.project import Project
from tests.tools.test_compare import against_main, repository, save
from tools.compare import changes
from tools.compare.content import dep_hash
from tools.compare.revision import commit, working_tree

__all__ = ["repository"]  # the fixture

PARAMS = {
    "finetune": {"epochs": 1, "lora": {"r": 4, "names": ["a", "b"]}},
    "fetch": {"dataset": {"path": "x"}, "model": {"path": "y"}},
    "run": {"minutes": 10},
}
FILES = {
    "code/training/trainer.py": "pass\n",
    "code/training/lora.py": "windows = True\r\n",
    "code/training/__init__.py": "",
    "code/training/deep/ümlaut é.py": "# ü\n",
    "code/training/deep.py": "# sorts beside the folder `deep`\n",
    "code/training/deep-er.py": "# and this one, too\n",
    "code/training/notes.tmp": "in no hash\n",
    "code/training/__pycache__/lora.pyc": "in no hash\n",
    "code/score.py": "pass\n",
}


@pytest.fixture
def folders(repository) -> Project:
    """Two stages that depend on a folder or a file, run by DVC and committed to main."""
    for path, text in FILES.items():
        file = repository.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, newline="")
    (repository.root / ".dvcignore").write_text("__pycache__\n*.tmp\n")
    (repository.root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    stages = {
        "finetune": {
            "cmd": "echo 1 > adapter",
            "deps": ["code/training"],
            "params": ["finetune", "fetch.dataset"],
            "outs": ["adapter"],
        },
        "score": {"cmd": "true", "deps": ["adapter", "code/score.py"], "params": ["fetch.model"]},
    }
    (repository.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    repository.dvc("init", "-q")
    repository.dvc("repro", "-q")
    save(repository)
    return repository


def stale(project: Project) -> set[str]:
    """The stale stages by Git, checked against those by DVC."""
    ours = set(changes.stale(working_tree()))
    assert ours == set(json.loads(project.dvc("status", "--json").stdout))
    return ours


def test_hash_of_a_folder_equals_that_of_dvc(folders):
    for revision in (commit("main"), working_tree()):
        for stage in changes.stages(revision).values():
            for dep in stage["deps"]:
                assert dep_hash(revision, dep) == (None if dep["path"] == "adapter" else dep["md5"])
    assert changes.stale(commit("main")) == []
    assert stale(folders) == set()


def test_change_in_a_folder_makes_its_stage_stale(folders):
    deep = folders.root / "code/training/deep"
    (deep / "new.py").write_text("pass\n")
    assert stale(folders) == {"finetune"}
    (deep / "new.py").unlink()
    (folders.root / "code/training/notes.tmp").write_text("another\n")
    assert stale(folders) == set()
    shutil.rmtree(deep)
    assert stale(folders) == {"finetune"}
    assert "`finetune` did not run since" in against_main()


def test_change_in_a_section_makes_its_stage_stale(folders):
    def late(**params: dict) -> list[str]:
        (folders.root / "params.yaml").write_text(yaml.safe_dump(PARAMS | params))
        return changes.stale(working_tree())

    lora = PARAMS["finetune"]["lora"]
    assert late(finetune={"epochs": 1, "lora": lora | {"r": 8}}) == ["finetune"]
    assert late(finetune={"epochs": 1, "lora": lora, "new": None}) == ["finetune"]
    assert late(finetune={"epochs": 1}) == ["finetune"]
    assert late(finetune={"epochs": 1, "lora": lora | {"names": []}}) == ["finetune"]
    assert late(fetch={"dataset": {"path": "x"}, "model": {"path": "z"}}) == ["score"]
    assert late(run={"minutes": 5}, card={"base": "b"}) == []
    assert late(finetune={"epochs": 1.0, "lora": lora}) == []
    assert stale(folders) == set()  # 1 and 1.0 are equal to DVC


def test_comment_names_changed_files_and_params(folders):
    training = folders.root / "code/training"
    (training / "trainer.py").write_text("fail\n")
    (training / "lora.py").unlink()
    (training / "deep/new.py").write_text("pass\n")
    finetune = PARAMS["finetune"] | {"lora": {"r": 8, "names": ["a", "b"]}}
    (folders.root / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"finetune": finetune}))
    folders.dvc("repro", "-q")
    body = against_main()
    files = "`deep/new.py`, `lora.py`, `trainer.py`"
    assert (
        f"| `finetune` | params `finetune.lora.r`; dep `code/training` ({files});"
        " with the same outputs |"
    ) in body
    assert "did not run since" not in body
    # If the folder changed since the run, its files are not those of the run.
    (training / "trainer.py").write_text("pass\n")
    body = against_main()
    assert "dep `code/training`;" in body and "`finetune` did not run since" in body


def test_data_that_is_partly_in_git_is_not_compared(repository):
    local = repository.root / "local"
    local.mkdir()
    (local / "README.md").write_text("weights go here\n")
    (local / "weights").write_text("heavy\n")
    (repository.root / ".gitignore").write_text("weights\n")
    stage = {"cmd": "true", "deps": ["local"]}
    (repository.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"fetch": stage}}))
    repository.dvc("init", "-q")
    repository.dvc("repro", "-q")
    save(repository)
    assert changes.stale(commit("main")) == []
