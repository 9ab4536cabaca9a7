"""Fixtures: a tiny model, projects in several states, a hub, a server of forks."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.hub import FILES, MODEL
from tests.helpers.hub_server import Hub, Repository
from tests.helpers.project import Project, make_project, make_tiny_llama, prepare


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture
def project(tmp_path, tiny_llama) -> Project:
    """A fresh project, nothing run yet."""
    return make_project(tmp_path / "project", tiny_llama)


@pytest.fixture(scope="session")
def prepared_once(tmp_path_factory, tiny_llama) -> Path:
    project = make_project(tmp_path_factory.mktemp("prepared") / "project", tiny_llama)
    prepare(project)
    return project.root


@pytest.fixture
def prepared(prepared_once, tmp_path) -> Project:
    """A project of the test's own in which only training and what follows is left to do."""
    shutil.copytree(prepared_once, tmp_path / "prepared")
    return Project(tmp_path / "prepared")


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, tiny_llama) -> Project:
    """One project on which `dvc repro` has run; tests that change it put it back."""
    project = make_project(tmp_path_factory.mktemp("reproduced") / "project", tiny_llama)
    project.dvc("repro")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "reproduced")
    return project


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one dataset and one model; the client knows no other, and no token."""
    from huggingface_hub import constants

    from stages.sources import hub as hub_module

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))
    monkeypatch.setattr(hub_module, "WAITS", (0, 0, 0))
    monkeypatch.setattr(hub_module.time, "sleep", lambda seconds: None)  # the library's waits too
    repositories = {"datasets/lab/talks": Repository(FILES), "models/lab/tiny": Repository(MODEL)}
    with Hub(repositories) as server:
        template = f"{server.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    """Runs stages without importing torch for each of them."""
    from tests.helpers.fault_server import Forks

    forks = Forks(tmp_path_factory.mktemp("forks"))
    yield forks
    forks.close()
