"""SLURM: an array of batch jobs, one per run."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedbytes.experiments.engines.engine import Engine
from fedbytes.experiments.engines.launcher import LAUNCHERS
from fedbytes.experiments.engines.slurm_jobs import (
    call_slurm,
    largest_array,
    note_jobs,
    runs_in_queue,
    slurm_refusal,
)
from fedbytes.experiments.engines.workers import EngineWorkers, WorkerJobs
from fedbytes.registry import bounded

_SCRIPT = """#!/bin/bash
{options}
run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {ids})
{command} --only "$run" &
worker=$!
late=
trap 'late=1; kill -USR1 "$worker"' USR1
trap 'kill -TERM "$worker"' TERM
wait "$worker"; code=$?
while [ "$code" -gt 128 ] && kill -0 "$worker" 2>/dev/null; do wait "$worker"; code=$?; done
if [ "$code" -gt 128 ]; then wait "$worker"; code=$?; fi
# SLURM itself puts preempted jobs back; those whose time is up are put back here. The code is 138
# where the worker was told before it could hear.
if [ -n "$late" ] && {{ [ "$code" = 75 ] || [ "$code" = 138 ]; }}; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"""


@LAUNCHERS.register("slurm")
@dataclass(frozen=True)
class Slurm(Engine):
    """Submit an array of jobs to SLURM, each of which makes one run.

    Script, ids and logs are in `engines/slurm` of the store, which every node must see. A job that
    is preempted finishes its round and is put back by SLURM; one whose time is up is put back
    `notice` seconds before. Jobs go on when the command that watches them is interrupted: the same
    command watches them again. Twelve runs and `--workers 4` are `sbatch --array=0-11%4`. The
    options are those of sbatch (https://slurm.schedmd.com/sbatch.html).

    Attributes:
        partition: of the cluster; its default if None.
        time: limit of a job as SLURM writes it, such as `55` (minutes) or `2:00:00`.
        memory: of a job as SLURM writes it, such as `4G`.
        gpus: of a job as SLURM writes it, such as `1` or `a100:1`.
        account: that is charged.
        notice: seconds before the limit at which a job is told to finish its round.
        options: more options of sbatch, such as `--constraint=avx2`.
    """

    outlives_us: ClassVar[bool] = True
    partition: str | None = None
    time: str | None = None
    memory: str | None = None
    gpus: str | None = None
    account: str | None = None
    notice: int = bounded(120, least=0, most=65535)
    options: tuple[str, ...] = ()

    def refusal(self) -> str:
        """Return why this host cannot use SLURM."""
        return slurm_refusal()

    def start(self, jobs: WorkerJobs) -> EngineWorkers:
        """Return what submits arrays to the cluster that this host belongs to."""
        return _SlurmArrays(self, jobs)


class _SlurmArrays:
    """Arrays of jobs, and which run each of their jobs makes."""

    def __init__(self, slurm: Slurm, jobs: WorkerJobs) -> None:
        self._slurm, self._jobs, self._folder = slurm, jobs, jobs.notes("slurm")
        self._largest = largest_array()

    def submit(self, ids: Sequence[str]) -> None:
        for begin in range(0, len(ids), self._largest):
            self._submit_array(ids[begin : begin + self._largest])

    def alive(self) -> set[str]:
        return runs_in_queue(self._folder)

    def close(self) -> None:
        """Leave the jobs where they are."""

    def _submit_array(self, ids: Sequence[str]) -> None:
        stem = f"{time.time_ns()}"
        listed, script = self._folder / f"{stem}.ids", self._folder / f"{stem}.sh"
        listed.write_text("\n".join(ids) + "\n", encoding="utf-8")
        script.write_text(self._script(listed, len(ids)), encoding="utf-8")
        job = call_slurm("sbatch", "--parsable", str(script)).strip().partition(";")[0]
        note_jobs(self._folder, {f"{job}_{place}": run for place, run in enumerate(ids)})

    def _script(self, listed: Path, count: int) -> str:
        jobs, slurm = self._jobs, self._slurm
        at_once = f"%{jobs.workers}" if jobs.workers else ""
        options = [
            f"--job-name=fedbytes-{jobs.suite}",
            f"--array=0-{count - 1}{at_once}",
            f"--chdir={jobs.folder}",
            f"--output={self._folder}/%A_%a.log",
            f"--cpus-per-task={jobs.cores}",
            f"--signal=B:USR1@{slurm.notice}",
            "--requeue",
            "--open-mode=append",
        ]
        given = {"partition": slurm.partition, "time": slurm.time, "mem": slurm.memory}
        given |= {"gpus": slurm.gpus, "account": slurm.account}
        options += [f"--{key}={value}" for key, value in given.items() if value is not None]
        lines = [f"#SBATCH {shlex.quote(option)}" for option in (*options, *slurm.options)]
        words = [word for word in jobs.command("") if word not in ("--only", "")]
        return _SCRIPT.format(
            options="\n".join(lines), ids=shlex.quote(str(listed)), command=shlex.join(words)
        )
