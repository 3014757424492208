"""Configurations, suites, sweeps and the run store.

`load_results`, `load_deltas`, `load_ledger`, `load_partitions` and `load_runs` read a store into
pandas tables; they need neither torch nor a model.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.experiments.config.run_config import RunConfig, make_config
    from fedbytes.experiments.config.suite_file import Suite, load_suite
    from fedbytes.experiments.execution.runner import run
    from fedbytes.experiments.execution.sweeps import sweep
    from fedbytes.experiments.store.results import (
        load_deltas,
        load_ledger,
        load_partitions,
        load_results,
        load_runs,
    )

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

__getattr__, __dir__ = lazy_face(__name__)
