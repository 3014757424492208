"""Points of a sweep that are one run."""

from collections.abc import Mapping
from typing import Any

from fedbytes.experiments.config.run_config import RunConfig


def refuse_merged(
    suite: str,
    one: tuple[int, RunConfig],
    other: tuple[int, RunConfig],
    overrides: Mapping[str, Any],
) -> None:
    """Refuse two runs of one id of which storing one would lose the other's label or settings.

    Args:
        suite: the suite's name.
        one: the number of a run's variant, from 1, and the run.
        other: the same of a run with the same id.
        overrides: what was set for every run, which may make variants without labels alike.

    Raises:
        ValueError: naming both labels, or variants, and what is to be done.
    """
    (first, a), (second, b) = one, other
    differing = [key for key in type(a).model_fields if getattr(a, key) != getattr(b, key)]
    if not differing and (first == second or overrides):
        return
    names = [_name(number, config) for number, config in (one, other)]
    if names[0] == names[1] and first != second:
        names = [f"{name} (variant {n})" for name, n in zip(names, (first, second), strict=True)]
    elif names[0] == names[1]:
        names = [
            f"{name} with {_spell(c, differing)}" for name, c in zip(names, (a, b), strict=True)
        ]
    given = "".join(f" {key}={value}" for key, value in overrides.items())
    under = f", given{given}" if given else ""
    raise ValueError(
        f"suite {suite!r}: {names[0]} and {names[1]} are the same run{under} (seed {a.seed}): "
        "remove one, or let them differ in a setting that changes the result"
    )


def _name(number: int, config: RunConfig) -> str:
    return f"label {config.label!r}" if config.label is not None else f"variant {number}"


def _spell(config: RunConfig, keys: list[str]) -> str:
    return ", ".join(f"{key}={getattr(config, key)!r}" for key in keys)
