"""`tools.repro` reads params.yaml before DVC does."""

import pytest

from stages.common.cli import UserError
from tests.helpers.data import project, write_params
from tools import repro


@pytest.fixture
def started(monkeypatch):
    """The commands that would be run."""
    commands = []
    monkeypatch.setattr("sys.argv", ["repro", "clean"])
    monkeypatch.setattr(repro, "reproduce", lambda command, _: commands.append(command))
    return commands


@pytest.mark.parametrize("path", ["data", ".", "data/clean", "metrics/.."])
def test_source_in_an_output_folder_is_one_sentence(tmp_path, monkeypatch, started, path):
    write_params(tmp_path, {"fetch.dataset.path": path})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"fetch\.dataset\.path is .*the pipeline writes"):
        repro.main()
    assert not started


def test_valid_params_are_run(tmp_path, monkeypatch, started):
    project(tmp_path, monkeypatch)
    repro.main()
    assert started[0][-2:] == ["repro", "clean"]
