"""Configurations, suites, sweeps and the run store.

`load_results`, `load_deltas`, `load_ledger`, `load_partitions` and `load_runs` read a store into
pandas tables; they need neither torch nor a model.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedbytes.experiments.config import RunConfig, make_config
    from fedbytes.experiments.results import (
        load_deltas,
        load_ledger,
        load_partitions,
        load_results,
        load_runs,
    )
    from fedbytes.experiments.runner import run
    from fedbytes.experiments.suite import Suite, load_suite
    from fedbytes.experiments.sweep import sweep

_HOMES = {
    "RunConfig": "config",
    "make_config": "config",
    "load_deltas": "results",
    "load_ledger": "results",
    "load_partitions": "results",
    "load_results": "results",
    "load_runs": "results",
    "run": "runner",
    "Suite": "suite",
    "load_suite": "suite",
    "sweep": "sweep",
}

__all__ = [
    "RunConfig",
    "Suite",
    "load_deltas",
    "load_ledger",
    "load_partitions",
    "load_results",
    "load_runs",
    "load_suite",
    "make_config",
    "run",
    "sweep",
]


def __getattr__(name: str) -> Any:
    # Reading a store must not load what makes one.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
