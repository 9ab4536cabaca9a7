"""Where trials run: a clone of this repository, so that they begin from one commit whatever happens
here meanwhile. It shares Git's objects and DVC's cache with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from stages.common.cli import UserError

DVC = (sys.executable, "-m", "dvc")
# A diff that `git apply` reads, whatever a user's own configuration makes of it.
PLAIN = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative", "--unified=3")
PLAIN += ("--src-prefix=a/", "--dst-prefix=b/")


def make_clone(folder: Path) -> None:
    """Clone HEAD and the changes of tracked files that are not committed, with what DVC tracks.

    Where the project is a folder of a larger repository, so it is in the clone, and `folder` is a
    link to it.
    """
    try:
        commit, inside = head(Path()), git("rev-parse", "--show-prefix").strip()
    except subprocess.CalledProcessError:
        raise UserError(
            "this folder is in no Git repository with a commit, of which trials run in a clone"
        ) from None
    files = data_files()
    if changed := changed_data(files):
        raise UserError(
            f"{changed[0]} is not as its .dvc file says: `dvc add` it again, or `dvc checkout` it"
        )
    remove_clone(folder)
    whole = repository_of(folder) if inside else folder
    git("clone", "-q", "--shared", "--no-checkout", top(Path()), str(whole))
    git("checkout", "-q", "--detach", commit, cwd=whole)
    if changes := git("diff", "HEAD", *PLAIN, encoding=None):
        git("apply", "--whitespace=nowarn", cwd=whole, given=changes, encoding=None)
    if inside:
        folder.symlink_to((whole / inside).resolve())
    local = Path(".dvc/config.local")
    if local.exists():  # remotes and their keys
        shutil.copy(local, folder / local)
    found = subprocess.run([*DVC, "cache", "dir"], capture_output=True, text=True, check=True)
    # Relative: DVC writes its config in ASCII, and the path to here may have other letters.
    cache = os.path.relpath(Path(found.stdout.strip()).resolve(), folder.resolve())
    subprocess.run([*DVC, "cache", "dir", "--local", cache], cwd=folder, check=True)
    if files:
        subprocess.run([*DVC, "checkout", "-q", "--allow-missing", *files], cwd=folder, check=True)


def repository_of(folder: Path) -> Path:
    return folder.with_suffix(".repository")


def data_files() -> list[str]:
    """The .dvc files that Git tracks and DVC reads: it ignores some, and some may be deleted here."""
    files = [name for name in git("ls-files", "-z", "*.dvc").split("\0") if name]
    if not files:
        return []
    listing = [*DVC, "stage", "list", "--all", "--name-only"]
    listed = subprocess.run(listing, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return [name for name in files if name in set(listed.stdout.splitlines())]


def changed_data(files: list[str]) -> list[str]:
    """What changed since these .dvc files were written; what is not here at all did not."""
    if not files:
        return []
    shown = subprocess.run([*DVC, "status", "--json", *files], stdout=subprocess.PIPE, check=True)
    parts = [part for parts in json.loads(shown.stdout).values() for part in parts]
    outs = [part.get("changed outs", {}) for part in parts if isinstance(part, dict)]
    return [path for found in outs for path, what in found.items() if what == "modified"]


def remove_clone(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    for path in (folder, repository_of(folder)):
        shutil.rmtree(path, ignore_errors=True)


def take_experiment(folder: Path, name: str) -> None:
    """Bring an experiment from the clone, if it is there, to this repository."""
    if folder.exists() and (ref := ref_of(folder, name)):
        git("fetch", "-q", top(folder), f"+{ref}:{ref}")


def ref_of(repository: Path, name: str) -> str | None:
    """The reference of an experiment, whatever commit it began from."""
    found = git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}", cwd=repository)
    return found.split()[-1] if found else None


def top(folder: Path) -> str:
    """The folder of the repository that `folder` is in."""
    return git("rev-parse", "--show-toplevel", cwd=folder).rstrip("\n")


def head(repository: Path) -> str:
    return git("rev-parse", "HEAD", cwd=repository).strip()


def git(*arguments: str, cwd: Path = Path(), given=None, encoding: str | None = "utf-8"):
    command = ["git", *arguments]
    options = {"cwd": cwd, "input": given, "encoding": encoding}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, **options).stdout
