"""Submitit: jobs through the package submitit, for those who have set that up."""

import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Literal

from fedbytes.experiments.engines.engine import Engine
from fedbytes.experiments.engines.launcher import LAUNCHERS
from fedbytes.experiments.engines.slurm_jobs import note_jobs, runs_in_queue, slurm_refusal
from fedbytes.experiments.engines.workers import EngineWorkers, WorkerJobs
from fedbytes.registry import bounded


@LAUNCHERS.register("submitit")
@dataclass(frozen=True)
class Submitit(Engine):
    """Submit a job per run by submitit, to SLURM or to processes of this machine.

    Its state of jobs comes from SLURM's accounting, which many clusters lack: it is not asked for.
    A job that is preempted finishes its round, and is put back with nothing but its run's id. Logs
    are in `engines/submitit` of the store. Twelve runs are an array of twelve jobs of at most 55
    minutes with `--engine minutes=55` (https://github.com/facebookincubator/submitit).

    Attributes:
        cluster: `slurm`, or `local` for processes of this machine.
        minutes: limit of a job.
        parameters: more of submitit's, such as `{slurm_partition: low, mem_gb: 4}`.
    """

    package: ClassVar[str] = "submitit"
    extra: ClassVar[str] = "submitit"
    outlives_us: ClassVar[bool] = True
    cluster: Literal["slurm", "local"] = "slurm"
    minutes: int = bounded(60, least=1)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def refusal(self) -> str:
        """Return why this host cannot use submitit."""
        return super().refusal() or (slurm_refusal() if self.cluster == "slurm" else "")

    def start(self, jobs: WorkerJobs) -> EngineWorkers:
        """Make submitit's executor."""
        return _SubmittedJobs(self, jobs)


class _SubmittedJobs:
    """Jobs of submitit, and which run each of them makes."""

    def __init__(self, asked: Submitit, jobs: WorkerJobs) -> None:
        submitit: Any = import_module("submitit")
        self._asked, self._jobs, self._folder = asked, jobs, jobs.notes("submitit")
        self._executor = submitit.AutoExecutor(folder=self._folder, cluster=asked.cluster)
        settings: dict[str, Any] = {
            "name": f"fedbytes-{jobs.suite}",
            "timeout_min": asked.minutes,
            "cpus_per_task": jobs.cores,
        }
        if asked.cluster == "slurm" and jobs.workers:
            settings["slurm_array_parallelism"] = jobs.workers
        self._executor.update_parameters(**settings | dict(asked.parameters))
        self._running: dict[str, Any] = {}

    def submit(self, ids: Sequence[str]) -> None:
        with self._executor.batch():
            made = {run: self._executor.submit(WorkerJob(self._jobs, run)) for run in ids}
        if self._asked.cluster == "slurm":
            note_jobs(self._folder, {str(job.job_id): run for run, job in made.items()})
        self._running |= made

    def alive(self) -> set[str]:
        if self._asked.cluster == "slurm":
            return runs_in_queue(self._folder)
        return {run for run, job in self._running.items() if not job.done()}

    def close(self) -> None:
        """Leave the jobs where they are."""


@dataclass
class WorkerJob:
    """The worker of one run as a job of submitit, which calls `checkpoint` when it is preempted."""

    jobs: WorkerJobs
    run: str

    def __call__(self) -> int:
        """Make the run, or as much of it as there is time for; return the exit code."""
        self._worker = subprocess.Popen(self.jobs.command(self.run), cwd=self.jobs.folder)
        self._codes: list[int] = []
        threading.Thread(target=lambda: self._codes.append(self._worker.wait())).start()
        return self._code()

    def checkpoint(self) -> Any:
        """Let the worker finish its round; return the job that goes on."""
        submitit: Any = import_module("submitit")
        self._worker.send_signal(signal.SIGTERM)
        self._code()
        return submitit.helpers.DelayedSubmission(WorkerJob(self.jobs, self.run))

    def _code(self) -> int:
        """Return the worker's exit code. A signal may interrupt this to call it: it has no lock."""
        while not self._codes:
            time.sleep(0.2)
        return self._codes[0]
