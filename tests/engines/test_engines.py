"""Sweeps on real engines, disturbed, end with the table that this machine makes undisturbed.

Of four runs one worker is told to stop and put back, one is killed, and one is frozen until its
lease is taken.
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from disturbed_sweep import (
    assert_same_table,
    caught_at_work,
    end_of,
    freeze_worker,
    kill_worker,
    parent_of,
    run_ids,
    start_sweep,
    stop_worker,
    wait_for,
)
from needed_engines import need

from fedbytes.experiments import LAUNCHERS
from fedbytes.experiments.engines.launcher_contract import check_launcher

pytestmark = pytest.mark.engines


def disturb(store: Path, put_back: Callable[[Path, str], None]) -> str:
    """Stop, kill and freeze a worker each, all at the same time; return what was frozen."""
    stopped, killed, frozen, _ = run_ids(store)
    deeds = ((put_back, stopped), (kill_worker, killed), (freeze_worker, frozen))
    errors: list[BaseException] = []

    def do(deed: Callable[[Path, str], None], run: str) -> None:
        try:
            deed(store, run)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=deed, daemon=True) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return frozen


def assert_made(store: Path, here: Path, frozen: str) -> None:
    assert_same_table(store, here)
    assert list((store / frozen).glob("attempt-*/done"))
    assert not list(store.rglob("lease-*"))
    assert not list(store.rglob("error.json"))


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_tasks_of_a_cluster(name: str, suite: Path, here: Path, tmp_path: Path) -> None:
    need(name)
    sweep = start_sweep(suite, tmp_path, name)
    frozen = disturb(tmp_path, stop_worker)
    assert "4 of 4 runs done" in end_of(sweep)
    assert_made(tmp_path, here, frozen)


def test_jobs_of_submitit(suite: Path, here: Path, tmp_path: Path) -> None:
    need("submitit", cluster="local")
    sweep = start_sweep(suite, tmp_path, "submitit", "--engine", "cluster=local")

    def preempt(store: Path, run: str) -> None:
        """Send the job what SLURM sends it, which submitit answers by `checkpoint`."""
        worker = parent_of(caught_at_work(store, run).holder.pid)
        os.kill(parent_of(worker), signal.SIGUSR2)

    frozen = disturb(tmp_path, preempt)
    assert "4 of 4 runs done" in end_of(sweep)
    assert_made(tmp_path, here, frozen)
    logs = [path.read_text() for path in (tmp_path / "engines/submitit").glob("*.out")]
    assert sum("Requeued job" in log for log in logs) == 1


def scontrol(*words: str) -> str:
    return subprocess.run(["scontrol", *words], check=True, capture_output=True, text=True).stdout


def job_of(store: Path, run: str) -> str:
    holder = caught_at_work(store, run).holder
    assert re.fullmatch(r"\d+_\d+", holder.job)
    return holder.job


def requeue(store: Path, run: str) -> None:
    """Put a job back, and let it begin soon."""
    job = job_of(store, run)
    scontrol("requeue", job)
    begin_soon(job)


def begin_soon(job: str) -> None:
    """Shorten the two minutes for which SLURM holds a job that was put back.

    Two seconds are left: slurmd dates credentials in whole seconds, and refuses one of the second
    in which it ended the job before ("credential revoked"), which ends the job as failed.
    """
    wait_for(lambda: "JobState=PENDING" in scontrol("show", "job", job))
    scontrol("update", f"JobId={job}", "StartTime=now+2")


def test_an_array_of_slurm(suite: Path, here: Path, tmp_path: Path, slurm_conf: str) -> None:
    need("slurm")
    first = start_sweep(suite, tmp_path, "slurm")
    run_ids(tmp_path)
    noted = tmp_path / "engines/slurm/jobs.jsonl"
    wait_for(noted.exists)
    first.kill()  # the jobs go on, and the same command finds them
    first.communicate()
    before = noted.read_text()
    sweep = start_sweep(suite, tmp_path, "slurm")
    frozen = disturb(tmp_path, requeue)
    assert "4 of 4 runs done" in end_of(sweep)
    assert_made(tmp_path, here, frozen)
    assert noted.read_text().startswith(before)
    again = noted.read_text().removeprefix(before)
    assert len(re.findall(r'": "', again)) == 2, "the killed and the frozen run alone got new jobs"


def test_a_job_whose_time_is_up_puts_itself_back(
    suite: Path, here: Path, tmp_path: Path, slurm_conf: str
) -> None:
    """SLURM tells the batch script, as it does `notice` seconds before the limit."""
    need("slurm")
    sweep = start_sweep(suite, tmp_path, "slurm", "seed=0")
    (run,) = run_ids(tmp_path)
    job = job_of(tmp_path, run)
    subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
    begin_soon(job)
    assert "1 of 1 run done" in end_of(sweep)
    assert len((tmp_path / "engines/slurm/jobs.jsonl").read_text().splitlines()) == 1
    assert "Restarts=1" in scontrol("show", "job", job)


@pytest.mark.parametrize("name", ["ray", "dask", "slurm"])
def test_engines_keep_the_contract(name: str, request: pytest.FixtureRequest) -> None:
    if name == "slurm":
        request.getfixturevalue("slurm_conf")
    need(name)
    failed = [one for one in check_launcher(LAUNCHERS.make(name)) if not one.passed]
    assert not failed
