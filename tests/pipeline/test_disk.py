"""A disk that is full or read-only: one sentence, and what stood there stands there still."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stages.common.atomic_io import disk_error_reason
from tests.pipeline.test_faults import OUTPUTS, outputs

# Bytes left on the disk: none, or enough to begin with.
LEFT = {"fetch@model": 100_000, "format_prompts": 5_000, "finetune": 60_000}


@pytest.fixture
def disk(prepared, tmp_path):
    """The project on a disk of eight megabytes, twice what it takes."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mount)]
    if shutil.which("mount") is None or failed(command):
        pytest.skip("this user may not mount a small disk")
    try:
        shutil.copytree(prepared.root, mount, dirs_exist_ok=True)
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def failed(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode != 0


def fill(disk: Path, left: int) -> Path:
    filler = disk / "filler"
    room = os.statvfs(disk)
    filler.write_bytes(b"\0" * (room.f_bavail * room.f_frsize - left))
    return filler


def test_full_or_read_only_disk_loses_nothing(forks, disk):
    for stage in OUTPUTS:
        whole = forks.run(disk, stage)
        assert whole.status == 0, whole.said
    before = {stage: outputs(disk, stage) for stage in OUTPUTS}

    def fails(stage: str, words: str) -> None:
        ended = forks.run(disk, stage)
        assert ended.status == 1 and "Traceback" not in ended.said, ended.said
        sentence = ended.said.splitlines()[-1]
        assert "error: " in sentence and f"cannot be written: {words}" in sentence, stage
        assert outputs(disk, stage) == before[stage] and None not in before[stage].values()
        assert not [path for path in disk.rglob(".*.tmp") if "checkpoints" not in path.parts]

    for stage in OUTPUTS:
        filler = fill(disk, LEFT.get(stage, 0))
        fails(stage, "")
        filler.unlink()
        again = forks.run(disk, stage)
        assert again.status == 0 and outputs(disk, stage) == before[stage], again.said
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for stage in ("clean", "finetune", "generate@tuned", "score"):
        fails(stage, "Read-only file system")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EACCES, "Permission denied", "data"), "Permission denied"),
        (OSError("[Errno 28] Error writing bytes. Detail: [errno 28] No space"), "No space left"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "No space left"),
        (RuntimeError("[enforce fail] PytorchStreamWriter failed writing file"), "full or broken"),
    ],
)
def test_writers_say_it_in_their_own_ways(error, reason):
    assert reason in disk_error_reason(error)


def test_other_errors_are_no_refusals():
    assert disk_error_reason(FileNotFoundError(errno.ENOENT, "No such file")) is None
    assert disk_error_reason(ValueError("28")) is None
