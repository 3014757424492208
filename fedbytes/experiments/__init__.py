"""Configurations, suites, sweeps and the run store.

`load_results`, `load_deltas`, `load_audits`, `load_clients`, `load_ledger`, `load_partitions`,
`load_predictions` and `load_runs` read a store into pandas tables; they need neither torch nor a
model. A run whose files are damaged is left out with a `DamagedRunWarning`; copies of a run that
disagree raise a
`StoreConflictError`.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.experiments.config.run_config import RunConfig as RunConfig
    from fedbytes.experiments.config.run_config import make_config as make_config
    from fedbytes.experiments.config.suite_file import Suite as Suite
    from fedbytes.experiments.config.suite_file import SuiteLike as SuiteLike
    from fedbytes.experiments.config.suite_file import load_suite as load_suite
    from fedbytes.experiments.engines.launcher import LAUNCHERS as LAUNCHERS
    from fedbytes.experiments.engines.launcher import Launcher as Launcher
    from fedbytes.experiments.execution.runner import run as run
    from fedbytes.experiments.execution.sweeps import sweep as sweep
    from fedbytes.experiments.store.damage import DamagedRunWarning as DamagedRunWarning
    from fedbytes.experiments.store.find_runs import StoreConflictError as StoreConflictError
    from fedbytes.experiments.store.results import load_audits as load_audits
    from fedbytes.experiments.store.results import load_clients as load_clients
    from fedbytes.experiments.store.results import load_deltas as load_deltas
    from fedbytes.experiments.store.results import load_ledger as load_ledger
    from fedbytes.experiments.store.results import load_partitions as load_partitions
    from fedbytes.experiments.store.results import load_predictions as load_predictions
    from fedbytes.experiments.store.results import load_results as load_results
    from fedbytes.experiments.store.results import load_runs as load_runs

__getattr__, __dir__, __all__ = lazy_face(__name__)
