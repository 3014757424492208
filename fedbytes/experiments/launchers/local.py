"""Local: worker processes of this machine, handed run after run."""

from dataclasses import dataclass

from fedbytes.experiments.engines.launcher import LAUNCHERS, Launcher, SweepRequest
from fedbytes.experiments.execution.sweep_plan import Outcome
from fedbytes.experiments.execution.sweeps import Reporter, sweep


@LAUNCHERS.register("local")
@dataclass(frozen=True)
class LocalProcesses(Launcher):
    """Make runs in processes of this machine: one per core, or one in total with a GPU.

    The default, and the only launcher that sees each round as it ends. Of six runs on a machine of
    two cores two are made at a time, with one thread each.
    """

    def make_runs(self, asked: SweepRequest, reporter: Reporter) -> Outcome:
        """Make the runs; see `fedbytes.experiments.sweep`."""
        return sweep(
            asked.configs,
            asked.store,
            workers=asked.workers,
            threads=asked.threads,
            retry_failed=asked.retry_failed,
            if_stale=asked.if_stale,
            lease_seconds=asked.lease_seconds,
            reporter=reporter,
        )
