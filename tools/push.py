"""Push the adapter, or the model merged with it, to a repository of the Hugging Face hub.

    python -m tools.push USER/NAME                     # the adapter
    python -m tools.push USER/NAME --merged my_model   # what tools.export wrote to my_model

With it goes the model card that `tools.card` makes, scores included. The repository is made if there
is none, private unless `--public` is given. The token is `HF_TOKEN`, or that of `hf auth login`.
Everything is one commit; weights and configs of an earlier push that are not replaced are deleted.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path, PurePath

from stages.common.atomic_io import need
from stages.common.cli import UserError, run
from stages.model.usage import FILE, Usage
from stages.params import load
from tools.card import current_card, own_words
from tools.export.readme import asking, merged_adapter

ADAPTER = Path("models/adapter")
OURS = {".json", ".safetensors", ".model", ".jinja"}  # kinds of files that a push leaves
LOGIN = "set HF_TOKEN to a token that may write, or run `hf auth login`"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.push", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("repository", metavar="USER/NAME", help="on the hub; made if need be")
    parser.add_argument("--merged", type=Path, metavar="FOLDER", help="written by tools.export")
    parser.add_argument("--public", action="store_true", help="everyone may read it")
    args = parser.parse_args()
    words = own_words(load())
    need(ADAPTER / FILE, "run `dvc repro` or `dvc pull`")
    if args.merged:
        check_merged(args.merged)
    text = current_card(words)
    files = merged_files(args.merged, text) if args.merged else adapter_files(text, words.base)
    url = explained(args.repository, push, args.repository, files, args.public)
    print(f"push: {url}")


def check_merged(folder: Path) -> None:
    """Scores and card are of the adapter that is here now, so must the merged model be."""
    readme = need(folder / "README.md", "run `python -m tools.export` first").read_text("utf-8")
    if not (folder / "config.json").exists() or merged_adapter(ADAPTER) not in readme:
        raise UserError(
            f"{folder} was not merged from the present adapter: run `python -m tools.export"
            f" {folder} --force`"
        )


def adapter_files(card: str, base: str) -> dict[str, Path | bytes]:
    """What is pushed, by name: files, or content where it differs from the file's.

    `base` is the base model's name where the adapter names a folder of this machine.
    """
    config = json.loads((ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))
    if not config["revision"]:  # finetune gives both to a model of the hub
        config["base_model_name_or_path"] = base
    text = json.dumps(config, indent=2, sort_keys=True)
    files = {file.name: file for file in ADAPTER.iterdir()}
    return files | {"adapter_config.json": text.encode(), "README.md": card.encode()}


def merged_files(folder: Path, card: str) -> dict[str, Path | bytes]:
    """What is pushed, by name: the folder's files, its README with the card of the adapter."""
    from huggingface_hub import ModelCard

    usage = Usage.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    found = ModelCard(card, ignore_metadata_errors=True)
    found.data.library_name, found.data.pipeline_tag = "transformers", "text-generation"
    found.data.base_model_relation = "finetune"
    text = found.text.replace("A LoRA adapter.", f"{found.data.base_model} with a LoRA adapter.")
    parts = [text.strip(), asking(usage), merged_adapter(ADAPTER)]
    readme = f"---\n{found.data.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"
    return {file.name: file for file in folder.iterdir()} | {"README.md": readme.encode()}


def push(repository: str, files: dict[str, Path | bytes], public: bool) -> str:
    """Commit the files to the repository, which is made if there is none; returns its address."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi()
    url = api.create_repo(repository, private=not public, exist_ok=True)
    info = api.model_info(url.repo_id)
    if not info.private and not public:
        raise UserError(f"{url.repo_id} is there and public: add --public, or give another name")
    changes = [CommitOperationAdd(name, content) for name, content in sorted(files.items())]
    stale = list(stale_files([file.rfilename for file in info.siblings or ()], files))
    changes += [CommitOperationDelete(name) for name in stale]
    kind = "merged model" if "config.json" in files else "adapter"
    api.create_commit(url.repo_id, changes, commit_message=f"Push the {kind} and its card")
    if stale:
        print(f"push: deleted of an earlier push: {', '.join(stale)}")
    return f"{url}, {'private' if info.private else 'public'}"


def stale_files(there: list[str], files: dict[str, Path | bytes]) -> Iterator[str]:
    """Beside new weights, old ones would be loaded in their place."""
    for name in there:
        if "/" not in name and PurePath(name).suffix in OURS and name not in files:
            yield name


def explained(repository: str, call, *arguments) -> str:
    """What `call` returns; what goes wrong with a hub becomes a `UserError` of one sentence."""
    import httpx2
    from huggingface_hub import constants, errors, get_token, utils

    utils.disable_progress_bars()
    if not get_token():
        raise UserError(f"no token for {constants.ENDPOINT}: {LOGIN}")
    try:
        return call(*arguments)
    except errors.HFValidationError:
        raise UserError(f"{repository!r} is no name of a repository: write USER/NAME") from None
    except errors.OfflineModeIsEnabled:
        raise UserError("HF_HUB_OFFLINE forbids to push: unset it") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        said = (error.server_message or "").split("\n")[0]
        if status == 401:
            raise UserError(f"the hub does not accept your token: {LOGIN}") from None
        if status in (403, 404):
            raise UserError(f"your token may not write to {repository}: {LOGIN}") from None
        raise UserError(
            f"the hub answered {status} for {repository}: {said or 'no word'}"
        ) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ConnectionError) as error:
        where = f"{constants.ENDPOINT} cannot be reached ({type(error).__name__})"
        raise UserError(f"{where}: check the network, run again") from None


if __name__ == "__main__":
    run(main)
