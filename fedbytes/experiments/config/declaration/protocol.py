"""The protocol of a suite: what is asked of its runs, declared before there are any."""

import hashlib
import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from fedbytes.experiments.config.fields.error_words import one_line
from fedbytes.experiments.config.target import Target, parse_target
from fedbytes.registry import nearest

_FINAL = re.compile(r"last([1-9]\d*)?")


def parse_final(final: str) -> int:
    """Return how many last evaluations a final value is the mean of.

    Raises:
        ValueError: unless `final` is `last`, or `last` and a number such as `last3`.
    """
    found = _FINAL.fullmatch(str(final).strip())
    if found is None:
        raise ValueError(
            f"final must be last, or last3 for the mean of three evaluations, got {final!r}"
        )
    return int(found[1] or 1)


class Protocol(BaseModel):
    """What a suite says before its runs: how they are compared, and on which seeds.

    A protocol is no part of a run's id: it changes no number. Its digest stands in the provenance
    of the runs that were made after it was declared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str | None = None
    """Column of the results; by default the task's main metric."""
    margin: float | None = None
    """The loss that would matter, in the metric's unit; by default the one that is usual for it."""
    targets: tuple[Target, ...] = ()
    """Metric values up to which bytes are counted; tables and single figures take the first."""
    seeds: tuple[int, ...] = ()
    """Seeds of every method in every setting; by default those of the suite."""
    baseline: str | None = None
    """The method that others are compared with; by default the one that sends fp32 both ways."""
    final: str = "last3"
    """A run's final value: `last`, or `last3` for the mean of its last three evaluations."""
    control: bool = False
    """Also run the baseline with another order of batches, as a method of its own."""

    @field_validator("margin")
    @classmethod
    def _check_margin(cls, margin: float | None) -> float | None:
        if margin is not None and not (isfinite(margin) and margin > 0):
            raise ValueError(
                "must be above 0, as no number of seeds shows that nothing at all is lost"
            )
        return margin

    @field_validator("targets", mode="before")
    @classmethod
    def _read_targets(cls, targets: Any) -> tuple[Target, ...]:
        found = targets if isinstance(targets, list | tuple) else [targets]
        return tuple(parse_target(one) for one in found if one is not None)

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("a seed stands twice")
        if len(seeds) == 1:
            raise ValueError(
                "one seed shows nothing of the spread: declare five, or leave out the protocol"
            )
        return seeds

    @field_validator("final")
    @classmethod
    def _check_final(cls, final: str) -> str:
        if _FINAL.fullmatch(final.strip()) is None:
            raise ValueError("must be last, or last3 for the mean of three evaluations")
        return final.strip()

    @property
    def digest(self) -> str:
        """SHA-256 of what is declared, in hexadecimal."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def read_protocol(given: Any) -> Protocol:
    """Validate what a suite, or the provenance of a run, declares.

    Raises:
        ValueError: one line that names the field, the value and what is allowed.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"protocol must be a dict of settings such as margin, got {given!r}")
    for key in given:
        if key not in Protocol.model_fields:
            raise ValueError(
                f"protocol: there is no field {key!r}{nearest(str(key), Protocol.model_fields)}"
            )
    try:
        return Protocol(**given)
    except ValidationError as error:
        raise ValueError(f"protocol.{one_line(error)}") from None
