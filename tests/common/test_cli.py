"""How a stage ends: one sentence and a status, and Ctrl-C as a shell knows it."""

import errno

import pytest

from stages.common.cli import Interrupted, Terminated, UserError, run


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("mend this"), "error: mend this"),
        (OSError(errno.ENOSPC, "No space left on device", "x.parquet"), "x.parquet"),
        (MemoryError(), "batch size"),
    ],
)
def test_what_a_user_can_cause_is_one_sentence(error, words):
    def main():
        raise error

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("stop", "status"),
    [(KeyboardInterrupt(), 130), (Terminated(), 143), (Interrupted("two are kept", 15), 143)],
)
def test_what_stops_a_stage_gives_the_status_that_shells_know(capsys, stop, status):
    def main():
        raise stop

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == status
    assert capsys.readouterr().err.startswith("error: ")
