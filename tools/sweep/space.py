"""What a sweep file says: a search space over the keys of `params.yaml`, checked before any run."""

import copy
from pathlib import Path
from typing import Annotated

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.common.cli import UserError
from stages.params import Params, Seed

Value = bool | int | float | str | None
# Another value, and the loss is of other dialogues, other references or another model's tokens.
OTHER_LOSS = ("fetch.", "clean.columns", "clean.holdout", "clean.fold", "clean.train_on_validation")
OTHER_LOSS += ("finetune.max_eval_samples", "finetune.max_summary_tokens")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Values(Section):
    """What a param may be: `choices`, or from `low` to `high`; whole numbers where both are."""

    choices: list[Value] | None = None
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    log: bool = False

    def distribution(self) -> BaseDistribution:
        """As Optuna has it; `ValueError` where it makes no sense."""
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give either `choices`, or `low` and `high`")
        if self.choices is not None:
            return CategoricalDistribution(self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log, step=self.step or 1)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def ends(self) -> list[Value]:
        return self.choices or [self.low, self.high]


class Sweep(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z][\w-]*$")]
    trials: Annotated[int, Field(ge=1)]
    seed: Seed
    random: Annotated[int, Field(ge=1)]
    prune_after: Annotated[int, Field(ge=1)]
    set: dict[str, Value] = {}
    space: Annotated[dict[str, Values], Field(min_length=1)]


def read_sweep(path: Path) -> Sweep:
    try:
        return Sweep.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}") from None
    except (yaml.YAMLError, ValueError):
        raise UserError(f"{path} is not valid YAML") from None


def first_fault(error: ValidationError) -> str:
    """The key that is wrong, if it is one key, and why."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg']}" if key else first["msg"]


def check(sweep: Sweep, raw: dict, file: str) -> dict[str, BaseDistribution]:
    """The search space, once each value at its ends is found to suit its param of `raw`."""
    space, tried = {}, list(sweep.set.items())
    for key, values in sweep.space.items():
        if key.startswith("finetune.ranking."):  # it comes after; `set` may leave it out
            raise UserError(f"{file}: {key} does not change the validation loss")
        if key.startswith(OTHER_LOSS):
            raise UserError(
                f"{file}: {key}: with each value the validation loss is of other tokens, so these"
                " do not compare: see tools.crossvalidate"
            )
        try:
            space[key] = values.distribution()
        except ValueError as error:
            raise UserError(f"{file}: space.{key}: {error}") from None
        tried += [(key, value) for value in values.ends()]
    for key, value in tried:
        if key.startswith(("generate.", "score.")):
            raise UserError(f"{file}: {key} does not change the validation loss")
        try:
            Params.model_validate(override(raw, {key: value}))
        except KeyError:
            raise UserError(f"{file}: {key} is no key of params.yaml") from None
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise UserError(f"{file}: {key} cannot be {value!r}: {reason}") from None
    return space


def override(raw: dict, values: dict[str, Value]) -> dict:
    """A copy of nested dicts with leaves set by dotted key; `KeyError` where there is no leaf."""
    changed = copy.deepcopy(raw)
    for key, value in values.items():
        *parents, leaf = key.split(".")
        section = changed
        for parent in parents:
            section = section[parent]
            if not isinstance(section, dict):
                raise KeyError(key)
        if isinstance(section[leaf], dict):
            raise KeyError(key)
        section[leaf] = value
    return changed


def short(value: Value) -> Value:
    """Three digits of a real number: more would only be hard to read."""
    return float(f"{value:.3g}") if isinstance(value, float) else value
