"""`run.ray` where Ray is not installed. With it: tests/scale."""

import sys

import pytest

from stages import clean
from stages.common.cli import UserError
from tests.helpers.data import project


def test_ray_that_is_not_installed_is_said(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, {"run.ray": "auto"})
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"run\.ray needs Ray: pip install -r requirements-scale"):
        clean.main()
