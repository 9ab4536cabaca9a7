"""How a stage ends: with one sentence and an exit status, after an error or Ctrl-C."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from tqdm import tqdm

from stages.common import cli
from stages.common.cli import Interrupted, UserError, run
from tests.helpers.data import ROOT


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("mend this"), "error: mend this"),
        (OSError(errno.ENOSPC, "No space left on device", "x.parquet"), "x.parquet"),
        (MemoryError(), "batch size"),
    ],
)
def test_user_error_is_one_sentence(error, words):
    def main():
        raise error

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def signals(monkeypatch):
    """As a process begins, with what `run` changes restored; conftest does so for the handlers."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    monkeypatch.setattr(cli, "received", [signal.SIGINT])
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


def ended(main, capsys) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        run(main)
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return caught.value.code, error


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(5)


def during_an_import(number: int) -> None:
    try:
        send(number)
    except KeyboardInterrupt:
        raise ImportError("no module") from None


def during_a_generation(number: int) -> None:
    try:
        send(number)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: two are kept") from None


def during_a_deletion(number: int) -> None:
    class Slow:
        def __del__(self):
            send(number)

    Slow()
    time.sleep(5)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stop", [send, during_an_import, during_a_generation, during_a_deletion])
def test_signal_ends_with_a_sentence_and_its_status(capsys, stop, number):
    status, error = ended(lambda: stop(number), capsys)
    assert status == 128 + number and "interrupted: " in error
    assert ("two are kept" in error) == (stop is during_a_generation)


@pytest.mark.usefixtures("signals")
def test_progress_line_is_closed_before_the_error(capsys):
    def main():
        with tqdm(total=9, desc="work") as bar:
            bar.update(2)
            send(signal.SIGINT)

    with pytest.raises(SystemExit):
        run(main)
    *_, line, error, end = capsys.readouterr().err.split("\n")
    assert "2/9" in line and error.startswith("error: ") and not end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_imports_ends_with_a_sentence(tmp_path, number):
    """At that moment Python has loaded the package, but not yet the module to run."""
    (tmp_path / "polars.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(30)\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.clean"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    assert process.communicate()[1] == "error: interrupted before anything was done\n"
    assert process.returncode == 128 + number


@pytest.mark.parametrize(
    ("user", "spins"),
    [({}, cli.SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
)
def test_torch_gets_the_spins_that_the_user_did_not_set(user, spins):
    """GNU's OpenMP reads them when torch is imported, and says so on request."""
    code = "from stages.common.cli import run; run(lambda: __import__('torch'))"
    ours = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment = ours | {"OMP_DISPLAY_ENV": "VERBOSE"} | user
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, check=True, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("torch has another OpenMP than GNU's here")
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr
