"""Outputs appear whole or not at all."""

import errno

import pytest

from stages.common.cli import UserError, run
from stages.common.files import need, replacing


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_failure_leaves_what_was_there(tmp_path, kind):
    out = tmp_path / "out"

    def write(path, text):
        if kind == "folder":
            path.mkdir()
            path = path / "inner"
        path.write_text(text)

    with replacing(out) as aside:
        write(aside, "old")
    with (
        pytest.raises(UserError, match="out cannot be written: No space left"),
        replacing(out) as aside,
    ):
        write(aside, "half")
        raise OSError(errno.ENOSPC, "No space left on device")
    kept = out / "inner" if kind == "folder" else out
    assert kept.read_text() == "old"
    with replacing(out) as aside:
        write(aside, "new")
    assert kept.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("mend this"), "error: mend this"),
        (OSError(errno.ENOSPC, "No space left on device", "x.parquet"), "x.parquet"),
        (MemoryError(), "batch_size"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_what_a_user_can_cause_is_one_sentence(error, words):
    def main():
        raise error

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_bugs_keep_their_traceback():
    def main():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run(main)


def test_missing_input_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.parquet does not exist: run clean first"):
        need(tmp_path / "gone.parquet", "run clean first")
