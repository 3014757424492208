"""A launcher whose engine starts workers, and which watches the store for what they make."""

import os
from abc import abstractmethod
from typing import ClassVar

from fedbytes.experiments.engines.launcher import Launcher, SweepRequest
from fedbytes.experiments.engines.plan_file import SweepPlan, write_sweep_plan
from fedbytes.experiments.engines.prepare import prepare
from fedbytes.experiments.engines.watch_store import watch_store
from fedbytes.experiments.engines.workers import EngineWorkers, WorkerJobs
from fedbytes.experiments.execution.only_sweep import only_sweep
from fedbytes.experiments.execution.sweep_plan import Outcome
from fedbytes.experiments.execution.sweeps import Reporter, processes_per_run
from fedbytes.experiments.execution.workers.stopping import StopRequest, stopping


class Engine(Launcher):
    """A launcher that starts workers elsewhere; a subclass writes `start`.

    Attributes:
        outlives_us: whether workers go on when the command that started them is interrupted.
    """

    outlives_us: ClassVar[bool] = False

    @abstractmethod
    def start(self, jobs: WorkerJobs) -> EngineWorkers:
        """Reach the engine, or start it; no worker starts yet.

        Raises:
            ValueError: if it does not answer.
        """

    def make_runs(self, asked: SweepRequest, reporter: Reporter) -> Outcome:
        """Plan the runs, start workers, and watch the store until every run has ended."""
        if refused := self.refusal():
            raise ValueError(refused)
        with only_sweep(asked.store), stopping() as stopped:
            outcome, queue = prepare(asked)
            plan = write_sweep_plan(asked.store, asked.suite, asked.configs)
            ids = {config.id for config in queue}
            self._watch(plan, ids, outcome, asked, reporter, stopped)
        return outcome

    def _watch(
        self,
        plan: SweepPlan,
        ids: set[str],
        outcome: Outcome,
        asked: SweepRequest,
        reporter: Reporter,
        stopped: StopRequest,
    ) -> None:
        queue = [config for config in plan.order if config.id in ids]
        if not queue:
            return
        jobs = WorkerJobs(
            asked.store.resolve(),
            asked.suite,
            plan.folder,
            asked.workers,
            asked.threads or 1,
            asked.lease_seconds,
            processes_per_run(queue),
        )
        workers = self.start(jobs)
        try:
            watch_store(asked.store, queue, workers, outcome, reporter, stopped=stopped)
        finally:
            workers.close()


def cores() -> int:
    """Return the processor cores of this machine."""
    return os.cpu_count() or 1
