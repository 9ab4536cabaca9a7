"""Files of a hub repository at one commit, downloaded by `huggingface_hub`.

The library downloads, resumes a connection that breaks, checks sizes and knows tokens, mirrors and
Xet. What it does not do (2.4, `file_download.py`) is here: the hash of a file that came by HTTP is
compared with the one that the hub lists, a server that answers 5xx is asked again, and an error is
one sentence.
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
WAITS = (1, 2, 4, 8, 16)  # seconds before each further attempt
PASSING = {408, 429, 500, 502, 503, 504}


class Spoilt(Exception):
    """A file that holds other bytes than the hub lists."""


def download(
    kind: str, repository: Repository, choose: Callable[[list[str]], Iterable[str]]
) -> tuple[Path, list[str], str]:
    """Download the files that `choose` picks out of the repository's; return their folder, their
    names and the commit.

    `kind` is `dataset` or `model`. The token is the library's own: `HF_TOKEN`, or its login. Each
    file has the hash (sha256 in LFS, else Git's) that the hub lists. Called again after a failure,
    it downloads only files that are not complete. Raises `UserError`.
    """
    from huggingface_hub import HfApi, RepoFile, hf_hub_download

    api, where = HfApi(), {"repo_id": repository.id, "repo_type": kind}

    def ask(call: Callable) -> object:
        return patiently(call, lambda error: explain(error, kind, repository))

    commit = ask(lambda: api.repo_info(**where, revision=repository.revision).sha)
    listed = ask(lambda: list(api.list_repo_tree(**where, revision=commit, recursive=True)))
    files = {file.path: file for file in listed if isinstance(file, RepoFile)}
    print(f"fetch: {kind} {repository.id} at commit {commit}")
    if repository.revision != commit:
        print(f"fetch: to have the same every time, set fetch.{kind}.hub.revision: {commit}")
    folder = DOWNLOADS / f"{kind}--{repository.id.replace('/', '--')}--{commit}"

    def fetch(name: str) -> None:
        try:
            path = Path(hf_hub_download(**where, filename=name, revision=commit, local_dir=folder))
        except OSError as error:
            if "Consistency check failed" not in str(error):
                raise
            raise Spoilt(f"{name} came with another size than the hub lists") from None
        lfs = files[name].lfs
        if digest(path, lfs is not None) != (lfs.sha256 if lfs else files[name].blob_id):
            path.unlink()
            raise Spoilt(f"{name} came with other bytes than the hub lists")

    # A path that leads out of the folder is no file of a repository.
    names = list(choose(sorted(n for n in files if not re.search(r"^/|(^|/)\.\.(/|$)", n))))
    for name in names:
        ask(partial(fetch, name))
    return folder, names, commit


def digest(path: Path, lfs: bool) -> str:
    """The hash that the hub lists: sha256 of an LFS file, Git's object id of any other."""
    algorithm = hashlib.sha256() if lfs else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with open(path, "rb") as content:
        return hashlib.file_digest(content, lambda: algorithm).hexdigest()


def patiently(call: Callable, explained: Callable[[Exception], str]) -> object:
    """Call until it succeeds, a fault will not pass, or `WAITS` is used up."""
    import httpx2

    for wait in (*WAITS, None):
        try:
            return call()
        # A token with a letter that no header takes is a ValueError.
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, Spoilt, ValueError) as raised:
            error = cause(raised)
            answer = getattr(error, "response", None)
            network = isinstance(error, httpx2.TransportError | Spoilt)
            passes = network or getattr(answer, "status_code", None) in PASSING
            if not passes or wait is None:
                raise UserError(explained(error)) from None
            asked = answer.headers.get("Retry-After", "") if answer is not None else ""
            seconds = int(asked) if re.fullmatch(r"\d{1,3}", asked) else wait
            why = explained(error).rpartition(": ")[0]  # what the user should do can wait
            print(f"fetch: {why}; trying again in {seconds} s", flush=True)
            time.sleep(seconds)


def cause(error: Exception) -> Exception:
    """What went wrong, where the library says only that it found no file on this machine either."""
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
        return f"HF_HUB_OFFLINE forbids to fetch {name}: unset it"
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
    if isinstance(error, Spoilt):
        return f"{error}: run again"
    if isinstance(error, OSError) and error.errno:
        why = f"{error.strerror} ({error.filename or DOWNLOADS})"
        return f"{name} cannot be written to disk: {why}; run again, complete files are kept"
    if isinstance(error, UnicodeError):
        return f"the token holds letters that no token has: {login}"
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    why = why.replace(token, "…") if token else why
    return (
        f"{constants.ENDPOINT} cannot be reached for {name} ({why}): check the network, run again"
    )
