"""A commit or the working tree, read through Git alone: no DVC cache, no remote, no history."""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stages.common.cli import UserError


@dataclass(frozen=True, eq=False)  # two looks at a working tree are never one
class Revision:
    """Files of one commit, or of the working tree where `commit` is None."""

    name: str
    commit: str | None
    paths: frozenset[str]

    def read(self, path: str) -> bytes | None:
        """The file's content; None where the revision has no such file."""
        if path not in self.paths:
            return None
        if self.commit:
            return git("show", f"{self.commit}:./{path}")
        file = Path(path)
        return file.read_bytes() if file.is_file() else None

    def inside(self, folder: str, suffix: str) -> list[str]:
        """Files right in `folder` whose names end so, sorted."""
        found = [path for path in self.paths if path.endswith(suffix)]
        return sorted(path for path in found if Path(path).parent == Path(folder))

    def __str__(self) -> str:
        if self.commit and not self.commit.startswith(self.name):
            return f"{self.name} ({self.commit[:7]})"
        return self.name


def commit(name: str) -> Revision:
    """The commit that a branch, a tag, a branch of `origin` or a DVC experiment points to.

    Raises UserError if it is not in this clone.
    """
    for candidate in (name, f"origin/{name}", *experiment(name)):
        found = git("rev-parse", "-q", "--verify", "--end-of-options", f"{candidate}^{{commit}}")
        if found:
            sha = found.decode().strip()
            listed = git("ls-tree", "-r", "-z", "--name-only", sha)
            return Revision(name, sha, split(listed))
    raise UserError(f"{name!r} is no commit of this clone{way_to(name)}")


def experiment(name: str) -> list[str]:
    """The commit of the DVC experiment of that name; none where there is no such one, or several."""
    pattern = f"refs/exps/??/{'?' * 38}/{name}"
    found = (git("for-each-ref", "--format=%(objectname)", pattern) or b"").decode().split()
    return found if len(found) == 1 else []


def way_to(name: str) -> str:
    """How to get it from `origin`; nothing for what can be no branch, such as HEAD~3.

    It goes where a clone keeps the branches of `origin`: a clone of one branch fetches others
    nowhere, and Git refuses to fetch into the branch that is checked out. A depth would make a
    whole clone shallow.
    """
    if git("check-ref-format", f"refs/heads/{name}") is None:
        return ""
    depth = "--depth 1 " if git("rev-parse", "--is-shallow-repository") == b"true\n" else ""
    return f": try `git fetch {depth}origin {shlex.quote(f'{name}:remotes/origin/{name}')}`"


def working_tree() -> Revision:
    head = git("rev-parse", "-q", "--verify", "HEAD")
    if head is None:
        raise UserError("this folder is not in a Git repository with a commit")
    dirty = git("status", "--porcelain", "--untracked-files=no", "--", ".")
    name = (
        f"the working tree ({head.decode()[:7]}{', with changes not committed' if dirty else ''})"
    )
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return Revision(name, None, split(listed))


def split(listed: bytes | None) -> frozenset[str]:
    return frozenset(filter(None, (listed or b"").decode("utf-8", "replace").split("\0")))


def git(*arguments: str) -> bytes | None:
    """What Git prints; None where it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed") from None
    except ValueError:  # a NUL, which no argument can hold
        return None
    return None if done.returncode else done.stdout
