"""What was found with another base model in the same folder counts as another search."""

from pathlib import Path

import pytest
import yaml

from stages.common.cli import UserError
from tests.helpers.project import ROOT
from tests.tools.test_sweep import SEARCH
from tools.crossvalidate.__main__ import files_of
from tools.crossvalidate.plan import Plan
from tools.sweep import study
from tools.sweep.space import Sweep
from tools.sweep.study import open_study


@pytest.fixture
def raw(tmp_path, monkeypatch) -> dict:
    """The params of a project whose base model is in a folder."""
    monkeypatch.chdir(tmp_path)
    for folder in ("sweeps", "mine", "other"):
        Path(folder).mkdir()
        Path(folder, "model.safetensors").write_text("weights")
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["fetch"]["model"] |= {"source": "path", "path": "mine"}
    return raw


def test_a_study_does_not_go_on(raw):
    sweep = Sweep.model_validate(SEARCH)
    for _ in range(2):
        open_study(sweep, raw, None)
    Path("mine/model.safetensors").write_text("other weights")
    with pytest.raises(UserError, match="the base model changed since the study"):
        open_study(sweep, raw, None)


def test_folds_are_trained_again(raw):
    settings = {"mine": None, "other": {"fetch.model.path": "other"}}
    plan = Plan(name="folds", folds=2, seeds=[1], settings=settings)
    before = files_of(plan, raw)
    Path("mine/model.safetensors").write_text("other weights")
    after = files_of(plan, raw)
    changed = {training.setting for training in before if before[training] != after[training]}
    assert changed == {"mine"}


def test_one_model_of_several_settings_is_read_once(raw, monkeypatch):
    read, digest = [], study.digest
    monkeypatch.setattr(study, "digest", lambda *args: read.append(args) or digest(*args))
    settings = {"one": None, "two": {"finetune.lora.r": 4}, "other": {"fetch.model.path": "other"}}
    files_of(Plan(name="folds", folds=2, seeds=[1], settings=settings), raw)
    assert read == [(Path("mine"), "*"), (Path("other"), "*")]
