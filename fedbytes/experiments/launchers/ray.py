"""Ray: a task per run, on a cluster or on a Ray of one's own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from fedbytes.experiments.engines.engine import Engine, cores
from fedbytes.experiments.engines.launcher import LAUNCHERS
from fedbytes.experiments.engines.worker_call import call_worker
from fedbytes.experiments.engines.workers import EngineWorkers, WorkerJobs
from fedbytes.registry import bounded

_OBJECTS = 80_000_000  # bytes: tasks take words and return a number
_START_SECONDS = "150"


@LAUNCHERS.register("ray")
@dataclass(frozen=True)
class Ray(Engine):
    """Make each run in a task of Ray, which sends nothing through Ray's object store.

    Without an address a Ray starts on this machine and ends with the sweep. Ray retries no task: a
    run whose worker is lost gets another one when the store shows that. Twelve runs with
    `--threads 2` on eight cores are made four at a time (https://docs.ray.io).

    Attributes:
        address: of a cluster, such as `auto` or `ray://head:10001`.
        gpus: of a task, such as 0.25 of one.
        memory_gb: that Ray keeps free for a task.
    """

    package: ClassVar[str] = "ray"
    extra: ClassVar[str] = "ray"
    address: str | None = None
    gpus: float = bounded(0.0, least=0)
    memory_gb: float = bounded(0.0, least=0)

    def start(self, jobs: WorkerJobs) -> EngineWorkers:
        """Reach the cluster, or start a Ray."""
        ray: Any = import_module("ray")
        os.environ.setdefault("RAY_raylet_start_wait_time_s", _START_SECONDS)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own: dict[str, Any] = {
            "num_cpus": (jobs.workers or max(1, cores() // jobs.cores)) * jobs.cores,
            "include_dashboard": False,
            "object_store_memory": _OBJECTS,
            "_node_ip_address": "127.0.0.1",
        }
        try:
            ray.init(
                address=self.address,
                log_to_driver=False,
                logging_level="ERROR",
                **({} if self.address else own),
            )
        except Exception as error:
            where = (
                f"Ray at {self.address} does not answer" if self.address else "Ray did not start"
            )
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"{where} ({reason}): on a busy machine raise RAY_raylet_start_wait_time_s, or use "
                "--on local"
            ) from error
        return _RayTasks(self, jobs, ray)


class _RayTasks:
    """Tasks of Ray by the run that each makes."""

    def __init__(self, asked: Ray, jobs: WorkerJobs, ray: Any) -> None:
        self._jobs, self._ray, self._folder = jobs, ray, jobs.notes("ray")
        options: dict[str, Any] = {"num_cpus": jobs.cores, "max_retries": 0}
        options |= {"num_gpus": asked.gpus} if asked.gpus else {}
        options |= {"memory": int(asked.memory_gb * 1e9)} if asked.memory_gb else {}
        self._task = ray.remote(**options)(call_worker)
        self._tasks: dict[str, Any] = {}

    def submit(self, ids: Sequence[str]) -> None:
        for run in ids:
            log = str(self._folder / f"{run}.log")
            command = self._jobs.command(run)
            self._tasks[run] = self._task.remote(command, str(self._jobs.folder), log)

    def alive(self) -> set[str]:
        tasks = {task: run for run, task in self._tasks.items()}
        if not tasks:
            return set()
        _, waiting = self._ray.wait([*tasks], num_returns=len(tasks), timeout=0)
        return {tasks[task] for task in waiting}

    def close(self) -> None:
        self._ray.shutdown()
