"""An output is complete or absent."""

import errno

import pytest

from stages.common.atomic_io import atomic_write, need
from stages.common.cli import UserError, run


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_failed_write_keeps_the_old_output(tmp_path, kind):
    out = tmp_path / "out"

    def write(path, text):
        if kind == "folder":
            path.mkdir()
            path = path / "inner"
        path.write_text(text)

    with atomic_write(out) as aside:
        write(aside, "old")
    with (
        pytest.raises(UserError, match="out cannot be written: No space left"),
        atomic_write(out) as aside,
    ):
        write(aside, "half")
        raise OSError(errno.ENOSPC, "No space left on device")
    kept = out / "inner" if kind == "folder" else out
    assert kept.read_text() == "old"
    with atomic_write(out) as aside:
        write(aside, "new")
    assert kept.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_bugs_keep_their_traceback():
    def main():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run(main)


def test_missing_input_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.parquet does not exist: run clean first"):
        need(tmp_path / "gone.parquet", "run clean first")
