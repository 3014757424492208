"""Dask: a task per run, on a cluster of Dask or on processes of this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from fedbytes.experiments.engines.engine import Engine, cores
from fedbytes.experiments.engines.launcher import LAUNCHERS
from fedbytes.experiments.engines.worker_call import call_worker
from fedbytes.experiments.engines.workers import EngineWorkers, WorkerJobs

_ANSWER_SECONDS = 60
_THREADS = 256  # of a cluster of one's own: each waits for the process that makes a run


@LAUNCHERS.register("dask")
@dataclass(frozen=True)
class Dask(Engine):
    """Make each run in a task of Dask, which takes words and returns a number.

    Without an address a cluster starts on this machine and ends with the sweep. Dask retries no
    task: a run whose worker is lost gets another one when the store shows that. Twelve runs and
    `--workers 3` are made three at a time (https://distributed.dask.org).

    Attributes:
        address: of a scheduler, such as `tcp://head:8786`. Its workers should have one thread
            each: each thread makes a run.
    """

    package: ClassVar[str] = "distributed"
    extra: ClassVar[str] = "dask"
    address: str | None = None

    def start(self, jobs: WorkerJobs) -> EngineWorkers:
        """Reach the scheduler, or start a cluster."""
        distributed: Any = import_module("distributed")
        cluster = None
        try:
            if not self.address:
                cluster = distributed.LocalCluster(
                    n_workers=1, threads_per_worker=_THREADS, dashboard_address=None
                )
            client = distributed.Client(self.address or cluster, timeout=_ANSWER_SECONDS)
        except OSError as error:
            reason = " ".join(str(error).split())[:300]
            where = f"at {self.address} does not answer" if self.address else "did not start"
            raise ValueError(f"Dask {where} ({reason}): use --on local") from error
        at_once = jobs.workers or (None if self.address else max(1, cores() // jobs.cores))
        return _DaskTasks(jobs, client, cluster, at_once)


class _DaskTasks:
    """Tasks of Dask by the run that each makes, no more at once than was asked for.

    Dask may queue a task behind one that never ends, though another worker is idle: so a task is
    handed over when there is room for it. One whose worker is frozen counts no more when its run
    is asked for again.
    """

    def __init__(self, jobs: WorkerJobs, client: Any, cluster: Any, at_once: int | None) -> None:
        self._jobs, self._client, self._cluster = jobs, client, cluster
        self._folder, self._at_once = jobs.notes("dask"), at_once
        self._tasks: dict[str, Any] = {}
        self._waiting: list[str] = []

    def submit(self, ids: Sequence[str]) -> None:
        for run in ids:
            self._tasks.pop(run, None)
        self._waiting += ids
        self._hand_over()

    def alive(self) -> set[str]:
        self._hand_over()
        return self._running() | set(self._waiting)

    def _running(self) -> set[str]:
        return {run for run, task in self._tasks.items() if not task.done()}

    def _hand_over(self) -> None:
        room = len(self._waiting)
        if self._at_once is not None:
            room = max(0, self._at_once - len(self._running()))
        for run in self._waiting[:room]:
            log = str(self._folder / f"{run}.log")
            words = self._jobs.command(run), str(self._jobs.folder), log
            self._tasks[run] = self._client.submit(call_worker, *words, pure=False, retries=0)
        del self._waiting[:room]

    def close(self) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()
