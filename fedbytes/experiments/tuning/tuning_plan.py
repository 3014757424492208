"""What is tuned: the `tune` section of a suite, read strictly."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fedbytes.experiments.config.fields.error_words import one_line
from fedbytes.experiments.config.suite_file import Suite
from fedbytes.registry import nearest

FIRST_SEED = 1000
"""Tuning has seeds from here on, and no reported run has one of them."""


class ValueRange(BaseModel):
    """The numbers from `low` to `high`, drawn evenly or, with `log`, evenly in their logarithm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> "ValueRange":
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log requires low above 0, got {self.low:g}")
        return self


class TuningPlan(BaseModel):
    """How the methods of a suite are tuned, each with the same number of trials.

    A trial is one choice of settings, run in every setting of the suite with every seed; it is
    worth the mean of the metric on the validation split.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: dict[str, tuple[Any, ...] | ValueRange]
    """The keys that are chosen: a list of values each, or `{low, high, log}`."""
    trials: int = Field(8, ge=1)
    """Trials of each method, those that are pruned among them."""
    seeds: tuple[Annotated[int, Field(ge=FIRST_SEED)], ...] = (FIRST_SEED, FIRST_SEED + 1)
    """Seeds of a trial, from 1000 on."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the training texts that is held out to measure with."""
    pruner: Literal["median", "none"] = "median"
    """Stop trials that lie below the median of those before, at the same evaluation."""

    @field_validator("space", mode="before")
    @classmethod
    def _read_space(cls, space: Any) -> Any:
        return {k: _values(k, v) for k, v in space.items()} if isinstance(space, Mapping) else space

    @field_validator("space")
    @classmethod
    def _check_space(cls, space: dict[str, Any]) -> dict[str, Any]:
        empty = [key for key, values in space.items() if values == ()]
        if not space or empty:
            raise ValueError(f"{empty[0] if empty else 'space'} has no values to choose from")
        return space

    @property
    def points(self) -> int | None:
        """How many choices there are; None with a range, which has any number."""
        count = 1
        for values in self.space.values():
            if isinstance(values, ValueRange):
                return None
            count *= len(values)
        return count


def _values(key: str, given: Any) -> Any:
    """Return the values of a key, or their range; what is neither is refused as what it is."""
    if isinstance(given, Mapping):
        try:
            return ValueRange(**given)
        except ValidationError as error:
            raise ValueError(f"{key}: {one_line(error)}") from None
    if not isinstance(given, list | tuple | ValueRange):
        raise ValueError(f"{key} must be a list of values, or low and high")
    return given


def read_plan(suite: Suite, trials: int | None = None) -> TuningPlan:
    """Return how a suite is tuned.

    Args:
        suite: the suite, whose `tune` section says it.
        trials: in place of the section's.

    Raises:
        ValueError: one line that names the field, the value and what is allowed.
    """
    if not suite.tune:
        raise ValueError(
            f"suite {suite.name!r} has no section tune: name the keys to choose, such as "
            "tune: {space: {algorithm.learning_rate: [1e-3, 2e-3, 4e-3]}}"
        )
    given = {**suite.tune, **({} if trials is None else {"trials": trials})}
    for key in given:
        if key not in TuningPlan.model_fields:
            raise ValueError(
                f"tune: there is no field {key!r}{nearest(str(key), TuningPlan.model_fields)}"
            )
    try:
        plan = TuningPlan(**given)
    except ValidationError as error:
        raise ValueError(f"tune.{one_line(error)}") from None
    reported = suite.grid.get("seed", ())
    shared = sorted(set(plan.seeds) & {seed for seed in reported if isinstance(seed, int)})
    if shared:
        raise ValueError(f"tune.seeds: {shared[0]} is a seed of the suite's own runs")
    return plan


def describe_space(plan: TuningPlan) -> Mapping[str, Any]:
    """Return the space as a suite writes it."""
    return {
        key: values.model_dump() if isinstance(values, ValueRange) else list(values)
        for key, values in plan.space.items()
    }
