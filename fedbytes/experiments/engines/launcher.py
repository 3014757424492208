"""The base class of what makes a sweep's runs: this machine's processes, or an engine's workers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.reuse import IfStale
from fedbytes.experiments.execution.sweep_plan import Outcome
from fedbytes.experiments.execution.sweeps import Reporter
from fedbytes.plugin_fields import Plugin
from fedbytes.process.leases.lease_files import LEASE_SECONDS
from fedbytes.process.optional_imports import refuse_missing
from fedbytes.registry import Registry


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it was asked for.

    Attributes:
        suite: the suite's name.
        configs: its runs, in the grid's order.
        store: the folder of runs, which exists.
        workers: at once; the launcher's own number by default.
        threads: per worker; the launcher's own number by default.
        retry_failed: retry runs that failed before.
        if_stale: what is done with runs made from files that have changed since.
        lease_seconds: of silence after which a worker's run is taken over.
    """

    suite: str
    configs: Sequence[RunConfig]
    store: Path
    workers: int | None = None
    threads: int | None = None
    retry_failed: bool = False
    if_stale: IfStale = "refuse"
    lease_seconds: float = LEASE_SECONDS


class Launcher(Plugin, ABC):
    """Makes the runs of a sweep; a frozen dataclass, registered by name.

    The store is the only truth: a launcher hands ids to workers, and what became of a run is read
    from its folder.

    Attributes:
        name: the registered name, which `fedbytes sweep SUITE --on NAME` takes.
        package: the Python package that it needs, empty for none.
        extra: of fedbytes, with which `pip` installs that package.
    """

    package: ClassVar[str] = ""
    extra: ClassVar[str] = ""

    @abstractmethod
    def make_runs(self, asked: SweepRequest, reporter: Reporter) -> Outcome:
        """Make every run that has not finished.

        Args:
            asked: the sweep.
            reporter: receives every event.

        Raises:
            ValueError: if the engine is not there, or the store cannot be written to.
        """

    def refusal(self) -> str:
        """Return why this host cannot use the launcher, in one line; empty if it can."""
        if not self.package:
            return ""
        return refuse_missing(self.package, self.extra, f"--on {self.name}") or ""


LAUNCHERS: Registry[Launcher] = Registry(
    "launcher",
    Launcher,  # type: ignore[type-abstract]
    "fedbytes.experiments.launchers",
    contract="fedbytes.experiments.engines.launcher_contract:check_launcher",
)
