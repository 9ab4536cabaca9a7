"""The hash that DVC has for a file or a folder of a revision, from what Git holds of it."""

import hashlib
import json
from functools import cache

from pathspec import GitIgnoreSpec

from tools.compare.revision import Revision


def md5(content: bytes) -> str:
    """The hash that DVC knows a file by."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@cache
def file_hash(revision: Revision, path: str) -> str | None:
    content = revision.read(path)
    return None if content is None else md5(content)


@cache
def ignored(revision: Revision) -> GitIgnoreSpec:
    lines = (revision.read(".dvcignore") or b"").decode("utf-8", "replace").splitlines()
    return GitIgnoreSpec.from_lines(lines)


@cache
def folder_files(revision: Revision, folder: str) -> dict[str, str]:
    """Hash of each file below `folder` by its path there, but of those that .dvcignore names."""
    inside = [path for path in revision.paths if path.startswith(f"{folder}/")]
    kept = [path for path in inside if not ignored(revision).match_file(path)]
    hashes = {path[len(folder) + 1 :]: file_hash(revision, path) for path in sorted(kept)}
    return {path: found for path, found in hashes.items() if found}  # deleted, and not yet in Git


def dep_hash(revision: Revision, dep: dict) -> str | None:
    """The hash that `dep`, an entry of dvc.lock, would have now; None where Git cannot tell.

    A folder's is that of the list of its files, with `.dir` behind it: `dvc_data.hashfile.tree`.
    """
    path = dep["path"]
    if not dep["md5"].endswith(".dir"):
        return file_hash(revision, path)
    files = folder_files(revision, path)
    code = all(name.endswith(".py") for name in files)
    if not files or (len(files) < dep.get("nfiles", 0) and not code):
        return None  # data and weights may lie in a folder of which Git holds the README alone
    listed = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def changed_files(before: Revision, after: Revision, old: dict, new: dict) -> list[str]:
    """Files that differ in a folder, where both revisions hold what their dvc.lock names."""
    if dep_hash(before, old) != old["md5"] or dep_hash(after, new) != new["md5"]:
        return []
    if not new["md5"].endswith(".dir") or not old["md5"].endswith(".dir"):
        return []
    one, other = (folder_files(side, new["path"]) for side in (before, after))
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
