"""What an adapter carries to be used rightly, in `summarizer.json` beside its weights.

`cleaning` and `prompt` are the sections `clean` and `format_prompts` of its training, `frame` what
then stood around a conversation (a chat template rendered: it may hold a date), `eos_token` what
ends a summary, `base` the model that the weights are added to.
"""

import hashlib
import json
import sys
from pathlib import Path

from pydantic import ValidationError

from stages.common.atomic_io import need
from stages.common.cli import UserError
from stages.common.resuming import sha256
from stages.model.tokenization import prompt_frame
from stages.params import Clean, FormatPrompts, Params, Section

FILE = "summarizer.json"


class Frame(Section):
    before: str
    after: str


class Base(Section):
    model_type: str
    sha256: str


class Usage(Section):
    cleaning: dict
    prompt: FormatPrompts
    frame: Frame
    eos_token: str
    base: Base

    @property
    def rendered(self) -> tuple[str, str]:
        return self.frame.before, self.frame.after

    def text(self) -> str:
        """The same of the same training: sorted, with nothing of the day or the machine."""
        return json.dumps(self.model_dump(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def of_training(prompts_usage: Path, tokenizer, params: Params, base: Path) -> Usage:
    """What the adapter that is about to be trained will carry.

    `prompts_usage` is the file that format_prompts writes beside its tables.
    """
    found = json.loads(need(prompts_usage, "run format_prompts first").read_text(encoding="utf-8"))
    before, after = prompt_frame(tokenizer, params.format_prompts)
    return Usage(
        cleaning=found["cleaning"],
        prompt=params.format_prompts,
        frame=Frame(before=before, after=after),
        eos_token=tokenizer.eos_token,
        base=describe_base(base),
    )


def read(adapter: Path, base: Path) -> Usage:
    """What the adapter carries; a `UserError` where it has nothing of the kind, or where `base` is
    not the model that it was trained on."""
    need(adapter / "adapter_config.json", "run finetune first")
    file = need(adapter / FILE, "the adapter is of an older version, run finetune again")
    try:
        usage = Usage.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError:
        raise UserError(f"{file} is not as finetune writes it: run finetune again") from None
    if describe_base(base) != usage.base:
        raise UserError(
            f"{base} is not the model that {adapter} was trained on: run `dvc repro`, or put back"
            f" the {usage.base.model_type} model whose hash {file} has"
        )
    return usage


def adopt(usage: Usage, params: Params) -> Params:
    """`params` with the adapter's cleaning and prompt; a line on stderr for each key that differs."""
    ours = {"clean": params.clean, "format_prompts": params.format_prompts}
    try:
        theirs = {
            "clean": Clean.model_validate(params.clean.model_dump() | usage.cleaning),
            "format_prompts": usage.prompt,
        }
    except ValidationError:
        raise UserError(f"the adapter's {FILE} is of another version: run finetune again") from None
    for name, section in theirs.items():
        for key, here, there in differences(ours[name], section, name):
            values = f"params.yaml has {json.dumps(here)}, the adapter was trained with"
            print(f"{key}: {values} {json.dumps(there)}, which is used", file=sys.stderr)
    return params.model_copy(update=theirs)


def differences(ours, theirs, name: str) -> list[tuple[str, object, object]]:
    """Dotted key and both values of each leaf that differs; what is to be found may be anything."""
    if isinstance(ours, Section):
        ours, theirs = ours.model_dump(mode="json"), theirs.model_dump(mode="json")
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(key), theirs.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            found += differences(here, there, f"{name}.{key}")
        elif here not in (there, "auto"):
            found.append((f"{name}.{key}", here, there))
    return found


def describe_base(folder: Path) -> Base:
    """The kind of a model and the hash of its config and weights.

    The version that wrote the config is no part of it: the same model fetched again is the same.
    """
    config = json.loads(need(folder / "config.json", "run fetch@model first").read_text("utf-8"))
    config.pop("transformers_version", None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(sha256(file).encode())
    return Base(model_type=config.get("model_type", "unknown"), sha256=digest.hexdigest())
