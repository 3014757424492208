"""The runs that a call from Python stands for: of a suite, a file, a dict, and settings."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite, SuiteLike, load_suite
from fedbytes.process.quiet import import_progress_bars

Source: TypeAlias = SuiteLike | RunConfig | None
"""What runs are chosen from: see `choose_runs`."""
_OF_A_SUITE = ("base", "grid", "variants")


def choose_runs(
    source: Source, settings: Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> tuple[Suite, list[RunConfig]]:
    """Return a suite and its runs.

    Args:
        source: a shipped suite's name, a file's path, a `Suite`, a file's content as a dict (with
            `base`, `grid` or `variants`), a dict of settings over the defaults, a run's
            configuration, or None for the defaults.
        settings: what replaces the suite's: dotted keys and values, of which a list is an axis.
        fields: likewise, for keys without a dot.

    Raises:
        ValueError: as `load_suite` and `Suite.expand`.
    """
    import_progress_bars()
    if isinstance(source, RunConfig):
        if settings or fields:
            given = ", ".join([*(settings or {}), *fields])
            raise ValueError(
                f"a configuration is whole, and {given} would change it: give a dict instead"
            )
        return Suite(source.suite), [source]
    changes = {**(settings or {}), **fields}
    if isinstance(source, Mapping) and not any(key in source for key in _OF_A_SUITE):
        suite, changes = Suite("run"), {**source, **changes}
    else:
        suite = Suite("run") if source is None else load_suite(source)
    return suite, suite.expand(changes.items())


def choose_run(
    source: Source, settings: Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> RunConfig:
    """Return the one run that the arguments of `choose_runs` stand for.

    Raises:
        ValueError: if they stand for several.
    """
    suite, configs = choose_runs(source, settings, fields)
    if len(configs) > 1:
        axes = ", ".join(suite.grid) or "the lists among its settings"
        raise ValueError(
            f"these are {len(configs)} runs; narrow them to one by giving one value for each of "
            f"{axes}"
        )
    return configs[0]
