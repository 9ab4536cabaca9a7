"""Files of a hub repository at one commit: each verified, and what broke off is gone on with."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from stages.common.cli import UserError
from stages.params import Repository

DOWNLOADS = Path("downloads")  # ignored by Git; a stage clears its folder once it has succeeded
WAITS = (1, 2, 4, 8, 16)  # seconds before each further attempt
PASSING = {408, 429, 500, 502, 503, 504}
TIMEOUT = 30  # seconds without a byte
SPLIT_NAMES = {"train": "train", "validation": "validation|val|valid|dev", "test": "test"}
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")  # of a dataset kept in several, the first


class Broken(Exception):
    """A download that ended early, or holds other bytes than the hub says."""


def download(
    kind: str, repository: Repository, choose: Callable[[list[str]], Iterable[str]]
) -> tuple[Path, list[str]]:
    """Fetch the files that `choose` picks out of the repository's; return their folder and names.

    `kind` is `dataset` or `model`. The token is the hub client's own: `HF_TOKEN`, or its login.
    Each file has the size and the hash (sha256 in LFS, else Git's) that the hub lists. Called
    again after a failure, it goes on from the last byte. Raises `UserError`.
    """
    from huggingface_hub import HfApi, RepoFile

    api, where = HfApi(), {"repo_id": repository.id, "repo_type": kind}

    def ask(call: Callable, progress: Callable[[], int] = int) -> object:
        return patiently(call, lambda error: explain(error, kind, repository), progress)

    commit = ask(lambda: api.repo_info(**where, revision=repository.revision, timeout=TIMEOUT).sha)
    listed = ask(lambda: list(api.list_repo_tree(**where, revision=commit, recursive=True)))
    files = {file.path: file for file in listed if isinstance(file, RepoFile)}
    print(f"fetch: {kind} {repository.id} at commit {commit}")
    if repository.revision != commit:
        print(f"fetch: to have the same every time, set fetch.{kind}.hub.revision: {commit}")
    folder = DOWNLOADS / f"{kind}--{repository.id.replace('/', '--')}--{commit}"
    # A path that leads out of the folder is no file of a repository.
    names = list(choose(sorted(n for n in files if not re.search(r"^/|(^|/)\.\.(/|$)", n))))
    for name in names:
        target = folder / name
        if not target.exists():
            part = target.with_name(target.name + ".part")
            ask(lambda: fetch_file(files[name], where, commit, part), lambda: size(part))  # noqa: B023
            os.replace(part, target)
    return folder, names


def fetch_file(file, where: dict[str, str], commit: str, part: Path) -> None:
    """Append to `part` what it lacks of the file, and verify it."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status
    from tqdm import tqdm

    url = hf_hub_url(**where, filename=file.path, revision=commit, endpoint=constants.ENDPOINT)
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    part.parent.mkdir(parents=True, exist_ok=True)
    with open(part, "ab") as out:
        start = out.tell()
        if start:
            headers["Range"] = f"bytes={start}-"
        if start < file.size:
            with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT) as answer:
                hf_raise_for_status(answer)
                if start and answer.status_code != 206:  # it is sent from its beginning
                    start = 0
                    out.truncate(0)
                shape = {"total": file.size, "initial": start, "unit": "B", "unit_scale": True}
                with tqdm(desc=file.path, **shape, disable=None) as bar:
                    for chunk in answer.iter_bytes():
                        out.write(chunk)
                        bar.update(len(chunk))
    if size(part) < file.size:
        raise Broken(f"{file.path} ended after {size(part)} of {file.size} bytes")
    if digest(part, file.lfs is not None) != (file.lfs.sha256 if file.lfs else file.blob_id):
        part.unlink()
        raise Broken(f"{file.path} came with other bytes than the hub lists")


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def digest(path: Path, lfs: bool) -> str:
    """The hash that the hub lists: sha256 of an LFS file, Git's object id of any other."""
    algorithm = hashlib.sha256() if lfs else hashlib.sha1(b"blob %d\0" % size(path))
    with open(path, "rb") as content:
        while block := content.read(1 << 20):
            algorithm.update(block)
    return algorithm.hexdigest()


def patiently(
    call: Callable, explained: Callable[[Exception], str], progress: Callable[[], int]
) -> object:
    """Call until it succeeds, a fault will not pass, or `WAITS` is used up without progress."""
    import httpx2

    attempt, done = 0, progress()
    while True:
        try:
            return call()
        # A token with a letter that no header takes is a ValueError.
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, Broken, ValueError) as error:
            answer = getattr(error, "response", None)
            attempt, done = (attempt, done) if progress() <= done else (0, progress())
            network = isinstance(error, httpx2.TransportError | Broken)
            passes = network or getattr(answer, "status_code", None) in PASSING
            if not passes or attempt == len(WAITS):
                raise UserError(explained(error)) from None
            asked = answer.headers.get("Retry-After", "") if answer is not None else ""
            wait = int(asked) if re.fullmatch(r"\d{1,3}", asked) else WAITS[attempt]
            why = explained(error).rpartition(": ")[0]  # what the user should do can wait
            print(f"fetch: {why}; trying again in {wait} s", flush=True)
            time.sleep(wait)
            attempt += 1


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
        return f"the hub answered {status} for {name}: run again later, what came is kept"
    if isinstance(error, Broken):
        return f"{error}: run again, what came is kept"
    if isinstance(error, OSError) and error.errno:
        why = f"{error.strerror} ({error.filename or DOWNLOADS})"
        return f"{name} cannot be written to disk: {why}; run again, what came is kept"
    if isinstance(error, UnicodeError):
        return f"the token holds letters that no token has: {login}"
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    why = why.replace(token, "…") if token else why
    return (
        f"{constants.ENDPOINT} cannot be reached for {name} ({why}): check the network, run again"
    )


def split_files(names: list[str], config: str | None) -> dict[str, list[str]]:
    """Data files of each split, told by a word of their path, such as `data/train-00000.parquet`.

    The words are those by which the library `datasets` tells them.
    `config` is a folder of the path. A split that has none is an empty list. Raises `UserError`
    where train has none, or where a split stands in several folders.
    """
    inside = [n for n in names if config is None or config in PurePosixPath(n).parts[:-1]]
    for suffix in SUFFIXES:
        found = {split: [] for split in SPLIT_NAMES}
        for name in (n for n in inside if n.endswith(suffix)):
            for split, words in SPLIT_NAMES.items():
                if re.search(rf"(?:^|[/_.-])(?:{words})(?![a-z])", name):
                    found[split].append(name)
        if found["train"]:
            break
    else:
        raise UserError(
            f"no .parquet, .jsonl, .json or .csv file of a train split"
            f"{f' in a folder {config}' if config else ''}: see fetch.dataset.hub.config, or set"
            " fetch.dataset.hub.revision: refs/convert/parquet, the hub's own conversion"
        )
    for split, paths in found.items():
        folders = sorted({str(PurePosixPath(path).parent) for path in paths})
        if len(folders) > 1:
            raise UserError(
                f"{split} stands in {', '.join(folders)}: set fetch.dataset.hub.config to one"
            )
    return found
