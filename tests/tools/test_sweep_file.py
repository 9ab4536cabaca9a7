"""An error in sweep.yaml is one sentence that names the key."""

import pytest
import yaml

from stages.common.cli import UserError
from tests.helpers.data import ROOT
from tests.helpers.project import tiny_params
from tools.sweep.space import check, read_sweep

SWEEPS = [
    ("name: [", "is not valid YAML"),
    ("", "sweep.yaml"),
    ("- a", "sweep.yaml"),
    ({"name": "1 x"}, "name"),
    ({"trials": 0}, "trials"),
    ({"seed": 2**32}, "seed"),
    ({"space": {}}, "space"),
    ({"more": 1}, "more"),
    ({"space": {"finetune.lora.r": {"low": 1}}}, "space.finetune.lora.r: give either"),
    ({"space": {"finetune.lora.r": {"choices": [0]}}}, "finetune.lora.r cannot be 0"),
    ({"space": {"finetune.lora.x": {"choices": [1]}}}, "finetune.lora.x is no key"),
    ({"space": {"generate.num_beams": {"choices": [1]}}}, "does not change the validation loss"),
    ({"space": {"finetune.lora.r": {"low": 8, "high": 4}}}, "space.finetune.lora.r"),
    ({"space": {"finetune.lora.r": {"choices": []}}}, "space.finetune.lora.r"),
    ({"set": {"clean.redact": "x"}}, "clean.redact cannot be 'x'"),
]


@pytest.mark.parametrize(("edit", "message"), SWEEPS)
def test_wrong_sweep_file_is_one_sentence(tmp_path, edit, message):
    path = tmp_path / "sweep.yaml"
    if isinstance(edit, dict):
        edit = yaml.safe_dump(yaml.safe_load((ROOT / "sweep.yaml").read_text("utf-8")) | edit)
    path.write_text(edit, encoding="utf-8")
    with pytest.raises(UserError) as error:
        check(read_sweep(path), tiny_params(), "sweep.yaml")
    assert message in str(error.value) and "\n" not in str(error.value)
