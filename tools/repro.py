"""`dvc repro` on the machine at hand; `make repro` runs it.

    python -m tools.repro            # further arguments are those of `dvc repro`

Needs no activated environment, no Git repository, no HOME and no name for the user's number. With
a remote, what a colleague has pushed is downloaded instead of made again. A remote that cannot be
used is named in one line, and the run does without it.
"""

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
from dvc.dirs import site_cache_dir

from stages.common.cli import Interrupted, run
from stages.params import load

CONFIGS = (Path(".dvc/config"), Path(".dvc/config.local"))
SECONDS = 20  # that a remote gets to answer
BROKEN = "it cannot be reached, `dvc pull` says why"


def main() -> None:
    load()  # one sentence for what DVC would call a cycle, such as a path that the pipeline writes
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | changes(Path(folder))
        pull = ["--pull"] if answers(environment) else []
        reproduce([sys.executable, "-m", "dvc", "repro", *pull, *sys.argv[1:]], environment)


def changes(folder: Path) -> dict[str, str]:
    """What DVC needs in its environment on this machine; `folder` is for its system config."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # A service's user may have no shell; bash becomes the stage, so that its status is the stage's.
    needed = {"PATH": path, "SHELL": shutil.which("bash") or "/bin/sh"}
    try:
        getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number only
        needed["LOGNAME"] = str(os.getuid())
    if not writable(Path(site_cache_dir())):
        needed["DVC_SITE_CACHE_DIR"] = str(Path(".dvc/tmp/site").resolve())
    here = Path.cwd()
    if not any((parent / ".git").exists() for parent in (here, *here.parents)):
        (folder / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
        needed["DVC_SYSTEM_CONFIG_DIR"] = str(folder)
    return needed


def writable(folder: Path) -> bool:
    """Whether this user may write to the folder, or make it."""
    places = [place for place in (folder / "repo", folder, folder.parent) if place.exists()]
    return bool(places) and os.access(places[0], os.W_OK)


def answers(environment: dict[str, str]) -> bool:
    """Whether there is a default remote that can be used; one that cannot is named in a line."""
    texts = [file.read_text(encoding="utf-8") for file in CONFIGS if file.exists()]
    if not any(re.search(r"^\s*remote\s*=", text, re.MULTILINE) for text in texts):
        return False
    command = [sys.executable, "-c", "from tools.repro import fault; print(fault())"]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        reason = done.stdout.strip() or BROKEN
    except subprocess.TimeoutExpired:
        reason = f"it did not answer in {SECONDS} seconds"
    if reason != "None":
        print(f"repro: the DVC remote is not used: {reason}", file=sys.stderr, flush=True)
    return reason == "None"


def fault() -> str | None:
    """Why the default remote cannot be used, without its address, which may hold a password."""
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            remote = repo.cloud.get_remote_odb()
            if remote.fs.protocol in ("http", "https"):  # where DVC takes no answer for no file
                urlopen(remote.path, timeout=SECONDS).close()
            elif not remote.fs.exists(remote.path):
                return "it holds nothing, or is not there"
    except HTTPError:
        return None  # it answers
    except ImportError as error:
        return str(error)  # names the plugin to install
    except Exception:  # noqa: BLE001 each kind of remote has its own
        return BROKEN
    return None


def reproduce(command: list[str], environment: dict[str, str]) -> None:
    """Run DVC and end with its status, or with that of the signal that stopped it.

    A terminal sends Ctrl-C to the stage, too, which says what it keeps: DVC and this wait for it.
    """
    stopped = []
    signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number) or terminate_stage())
    status = subprocess.run(command, env=environment, check=False).returncode
    if stopped and status:
        raise Interrupted("interrupted: finished stages are kept, run again to resume", stopped[0])
    sys.exit(status)


def terminate_stage() -> None:
    """Send SIGTERM to what DVC runs, for DVC itself would end and leave it running."""
    for dvc in psutil.Process().children():
        for process in dvc.children() or [dvc]:
            process.terminate()


if __name__ == "__main__":
    run(main)
