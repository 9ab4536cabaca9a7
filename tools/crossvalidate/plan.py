"""What a file of settings says, and the trainings that it asks for."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import yaml
from pydantic import Field, ValidationError, model_validator

from stages.common.cli import UserError
from stages.params import Params, Seed
from tools.sweep.space import Section, Value, first_fault, override

Name = Annotated[str, Field(pattern=r"^.+$")]  # a line: it stands in a table
OWN = ("clean.fold", "clean.train_on_validation", "finetune.seed")  # set here, a training each


class Plan(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z][\w-]*$")]
    folds: Annotated[int, Field(ge=2, le=100)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    settings: Annotated[dict[Name, dict[str, Value] | None], Field(min_length=2)]

    @model_validator(mode="after")
    def each_seed_once(self) -> "Plan":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds must differ")
        return self


class Twice(Exception):
    """A key that a mapping has twice."""


class Loader(yaml.SafeLoader):
    """Of two settings with one name, YAML would silently drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise Twice(f"line {node.start_mark.line + 1}: {twice[0]} stands there twice")
        return super().construct_mapping(node, deep)


class Training(NamedTuple):
    """One training: a setting, its seed, and the fold that it is scored on, from 1."""

    setting: str
    seed: int
    fold: int


def read_plan(path: Path, raw: dict) -> Plan:
    """The plan, each of whose settings suits the params `raw`."""
    try:
        plan = Plan.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}") from None
    except Twice as error:
        raise UserError(f"{path}: {error}") from None
    except (yaml.YAMLError, ValueError):
        raise UserError(f"{path} is not valid YAML") from None
    for setting, values in plan.settings.items():
        where = f"{path}: settings.{setting}"
        for key, value in (values or {}).items():
            if key in OWN:
                raise UserError(f"{where}: {key} is cross-validation's to set")
            if key.startswith("fetch.dataset."):
                raise UserError(f"{where}: {key}: settings compare on the same dialogues alone")
            try:
                override(raw, {key: value})
            except KeyError:
                raise UserError(f"{where}: {key} is no key of params.yaml") from None
        try:
            params = Params.model_validate(override(raw, values or {}))
        except ValidationError as error:
            raise UserError(f"{where}: {first_fault(error)}") from None
        if params.generate.server:
            raise UserError(
                f"{where}: generate.server has one model, and each fold trains its own: set it to"
                " null in params.yaml"
            )
    return plan


def trainings(plan: Plan) -> Iterator[Training]:
    """In the order in which they say most: every setting on a fold, before the next fold."""
    for seed in plan.seeds:
        for fold in range(1, plan.folds + 1):
            for setting in plan.settings:
                yield Training(setting, seed, fold)


def values_of(plan: Plan, training: Training) -> dict[str, Value]:
    """The params that a training sets."""
    fold = {"clean.fold": f"{training.fold}/{plan.folds}", "finetune.seed": training.seed}
    return (plan.settings[training.setting] or {}) | fold


def key_of(raw: dict, values: dict[str, Value], code_and_inputs: str) -> str:
    """What a training's scores are kept by: params that can change them, code and data."""
    params = override(raw, values)
    counted = {name: section for name, section in params.items() if name not in ("run", "card")}
    text = json.dumps([counted, code_and_inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
