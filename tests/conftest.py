"""Fixtures: a tiny model, projects in several states, a hub, forks that run stages."""

import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.helpers.hub import FILES, MODEL
from tests.helpers.hub_server import Hub, Repository
from tests.helpers.project import Project, make_project, make_tiny_llama, prepare
from tests.helpers.warm_server import SHARED, start

# Enough for kinds to meet kinds, in seconds, however busy the machine is. The examples are the same
# in each run: a change is not blamed for what chance found. To look for more:
# `pytest --hypothesis-profile explore`.
BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("suite", max_examples=25, derandomize=True, **BUSY)
settings.register_profile("explore", max_examples=250, derandomize=False, **BUSY)
settings.load_profile("suite")
# Else examples have constants of the modules that happen to be loaded, which differ by worker.
providers._get_local_constants = providers.Constants
# A shell's `&` lets all processes below it ignore Ctrl-C, and tests send it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Tiny models gain nothing from threads, and on two busy cores threads wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Files with tests of ten seconds and more: begun last, one would keep a worker waiting.
SLOW = ("sweep", "processes", "machines", "repro", "docs", "faults", "inspect", "summarize")


def pytest_configure(config: pytest.Config) -> None:
    """Several workers share one server of forks."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        os.environ[SHARED] = start()


@pytest.fixture(autouse=True)
def signal_handlers():
    """What ends in `cli.run` leaves signals ignored, and so would be those of later tests' processes."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in SLOW)


def make_once(tmp_path_factory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one of pytest's workers makes, and all of them read."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    complete = root / f"{name}.complete"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            make(root / name)
            complete.touch()
    return root / name


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory) -> Path:
    return make_once(tmp_path_factory, "llama", make_tiny_llama)


@pytest.fixture
def project(tmp_path, tiny_llama) -> Project:
    """A fresh project, nothing run yet."""
    return make_project(tmp_path / "project", tiny_llama)


@pytest.fixture(scope="session")
def prepared_once(tmp_path_factory, tiny_llama) -> Path:
    return make_once(
        tmp_path_factory, "prepared", lambda root: prepare(make_project(root, tiny_llama))
    )


@pytest.fixture
def prepared(prepared_once, tmp_path) -> Project:
    """A project of the test's own in which only training and what follows is left to do."""
    shutil.copytree(prepared_once, tmp_path / "prepared")
    return Project(tmp_path / "prepared")


@pytest.fixture(scope="session")
def reproduced_once(tmp_path_factory, tiny_llama) -> Path:
    def make(root: Path) -> None:
        project = make_project(root, tiny_llama)
        project.warm = False  # once as a user has it; score is in tests/pipeline/test_machines.py
        project.dvc("repro", "generate@tuned")
        project.warm = True
        project.dvc("repro")
        project.run("git", "add", "-A")
        project.run("git", "commit", "-qm", "reproduced")

    return make_once(tmp_path_factory, "reproduced", make)


@pytest.fixture(scope="session")
def reproduced(reproduced_once, tmp_path_factory) -> Project:
    """A project on which `dvc repro` has run; tests that change it put it back."""
    root = tmp_path_factory.mktemp("reproduced") / "project"
    shutil.copytree(reproduced_once, root, symlinks=True)
    return Project(root)


@pytest.fixture(scope="session")
def faster_once(tmp_path_factory, reproduced_once) -> Path:
    """A copy of it with a branch `faster`, run at another learning rate; `repro.log` beside it."""

    def make(folder: Path) -> None:
        shutil.copytree(reproduced_once, folder / "project", symlinks=True)
        project = Project(folder / "project")
        project.run("git", "checkout", "-q", "-b", "faster")
        project.params(**{"finetune.learning_rate": 0.03})
        (folder / "repro.log").write_text(project.dvc("repro").stdout)
        project.run("git", "commit", "-qam", "learn faster")

    return make_once(tmp_path_factory, "faster", make)


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

    return Forks(tmp_path_factory.mktemp("forks"))
