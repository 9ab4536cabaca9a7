"""Download files of a hub repository at one commit, with `huggingface_hub`.

The library downloads, resumes after a broken connection, checks sizes, and handles tokens, mirrors
and Xet. This module adds what it lacks (2.4, `file_download.py`): it compares the hash of each file
with the one that the hub lists, retries when a server answers 5xx, and turns each error into one
sentence.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from stages.common.cli import UserError
from stages.params import Repository

DOWNLOADS = Path("downloads")  # ignored by Git; a stage clears its folder once it has succeeded
WAITS = (1, 2, 4, 8, 16)  # seconds before each retry
RETRY_STATUSES = {408, 429, 500, 502, 503, 504}


class CorruptFile(Exception):
    """A file whose size or hash differs from what the hub lists."""


def download(
    kind: str, repository: Repository, choose: Callable[[list[str]], Iterable[str]]
) -> tuple[Path, list[str], str]:
    """Download the repository's files that `choose` selects; return their folder, names and commit.

    `kind` is `dataset` or `model`. The library finds the token: `HF_TOKEN`, or its login. Each
    file is checked against the hash that the hub lists: sha256 for LFS, Git's object id for others.
    Called again after a failure, it downloads only files that are incomplete. Raises `UserError`.
    """
    from huggingface_hub import HfApi, RepoFile, hf_hub_download

    api, where = HfApi(), {"repo_id": repository.id, "repo_type": kind}

    def ask(call: Callable) -> object:
        return with_retries(call, lambda error: explain(error, kind, repository))

    commit = ask(lambda: api.repo_info(**where, revision=repository.revision).sha)
    listed = ask(lambda: list(api.list_repo_tree(**where, revision=commit, recursive=True)))
    files = {file.path: file for file in listed if isinstance(file, RepoFile)}
    print(f"fetch: {kind} {repository.id} at commit {commit}")
    if repository.revision != commit:
        print(f"fetch: to get the same files every time, set fetch.{kind}.hub.revision: {commit}")
    folder = DOWNLOADS / f"{kind}--{repository.id.replace('/', '--')}--{commit}"

    def fetch(name: str) -> None:
        try:
            path = Path(hf_hub_download(**where, filename=name, revision=commit, local_dir=folder))
        except OSError as error:
            if "Consistency check failed" not in str(error):
                raise
            raise CorruptFile(f"{name} does not have the size that the hub lists") from None
        lfs = files[name].lfs
        if digest(path, lfs is not None) != (lfs.sha256 if lfs else files[name].blob_id):
            path.unlink()
            raise CorruptFile(f"{name} does not have the hash that the hub lists")

    # A path that leads out of the folder is never downloaded.
    names = list(choose(sorted(n for n in files if not re.search(r"^/|(^|/)\.\.(/|$)", n))))
    for name in names:
        ask(partial(fetch, name))
    return folder, names, commit


def digest(path: Path, lfs: bool) -> str:
    """The hash that the hub lists: sha256 of an LFS file, Git's object id of any other."""
    algorithm = hashlib.sha256() if lfs else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as content:
        return hashlib.file_digest(content, lambda: algorithm).hexdigest()


def with_retries(call: Callable, explained: Callable[[Exception], str]) -> object:
    """Retry the call until it succeeds, the error is permanent, or `WAITS` is used up."""
    import httpx2

    for wait in (*WAITS, None):
        try:
            return call()
        # A token with characters that are not allowed in a header raises ValueError.
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, CorruptFile, ValueError) as raised:
            error = cause(raised)
            answer = getattr(error, "response", None)
            network = isinstance(error, httpx2.TransportError | CorruptFile)
            retry = network or getattr(answer, "status_code", None) in RETRY_STATUSES
            if not retry or wait is None:
                raise UserError(explained(error)) from None
            asked = answer.headers.get("Retry-After", "") if answer is not None else ""
            seconds = int(asked) if re.fullmatch(r"\d{1,3}", asked) else wait
            why = explained(error).rpartition(": ")[0]  # without the advice to the user
            print(f"fetch: {why}; trying again in {seconds} s", flush=True)
            time.sleep(seconds)


def cause(error: Exception) -> Exception:
    """The error behind the library's own, which says only that the file is not on this machine."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    return error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error


def explain(error: Exception, kind: str, repository: Repository) -> str:
    """One sentence: what is wrong, and what to do."""
    from huggingface_hub import constants, errors, get_token

    key, name, token = f"fetch.{kind}.hub", f"{kind} {repository.id}", get_token()
    page = f"{constants.ENDPOINT}/{'datasets/' * (kind == 'dataset')}{repository.id}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    login = "set HF_TOKEN to a token of yours, or run `hf auth login`"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set, so {name} cannot be downloaded: unset it"
    if isinstance(error, errors.GatedRepoError) and status == 403:
        return f"{name} is gated, and your account has no access: accept its terms at {page}"
    if isinstance(error, errors.GatedRepoError) and not token:
        return f"{name} is gated: accept its terms at {page}, then {login}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} has no revision {repository.revision!r}: see {key}.revision"
    if status == 401 and token:
        return f"the hub does not accept your token, or it may not read {name}: {login}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the hub has no {name}, or hides it: see {key}.id; if it is private, {login}"
    if status == 403:
        return f"your token may not read {name}: give it that permission, or see {page}"
    if status == 404:
        return f"the hub no longer has a file of {name}: run again, or see {key}.revision"
    if status:
        return f"the hub answered {status} for {name}: run again later, complete files are kept"
    if isinstance(error, CorruptFile):
        return f"{error}: run again"
    if isinstance(error, OSError) and error.errno:
        why = f"{error.strerror} ({error.filename or DOWNLOADS})"
        return f"{name} cannot be written to disk: {why}; run again, complete files are kept"
    if isinstance(error, UnicodeError):
        return f"the token has characters that are not allowed: {login}"
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    why = why.replace(token, "…") if token else why
    return (
        f"{constants.ENDPOINT} cannot be reached for {name} ({why}): check the network, run again"
    )
