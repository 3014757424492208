"""A sweep on an engine, and what happens to its workers meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from fedbytes.experiments import load_ledger, load_results
from fedbytes.experiments.engines.free_runs import live_lease
from fedbytes.experiments.engines.plan_file import read_sweep_plan
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.process.leases.lease_files import LeaseRecord, read_leases

LEASE_SECONDS = 5.0
PATIENCE = 300.0


def start_sweep(suite: Path, store: Path, on: str, *words: str) -> subprocess.Popen[str]:
    """Start `fedbytes sweep SUITE --on ENGINE` with two workers."""
    command = [sys.executable, "-m", "fedbytes", "sweep", str(suite), "--out", str(store)]
    command += ["--on", on, "--workers", "2", "--threads", "1", "--no-report"]
    command += ["--lease-seconds", str(LEASE_SECONDS), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end_of(sweep: subprocess.Popen[str]) -> str:
    """Wait for a sweep that succeeds; return what it printed."""
    try:
        said, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, said
    return said


def run_ids(store: Path) -> list[str]:
    """The runs in the grid's order, once they are planned."""
    wait_for(lambda: (store / "plan.json").exists())
    return [config.id for config in read_sweep_plan(store).runs]


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def caught_at_work(store: Path, run: str) -> LeaseRecord:
    """Return the lease of a run's worker in the middle of its rounds."""
    found: list[LeaseRecord] = []

    def is_at_work() -> bool:
        rows = read_json_lines(RunFolder(store, run).path / "rounds.jsonl")
        lease = live_lease(store / run)
        assert not (store / run / "done").exists(), "it was too fast to be caught"
        if lease is not None and rows and rows[-1]["round"] >= 2:
            found.append(lease)
        return bool(found)

    wait_for(is_at_work)
    return found[0]


def parent_of(pid: int) -> int:
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])


def kill_worker(store: Path, run: str) -> None:
    """Kill the worker of a run and the process that runs are made in, as a lost host would."""
    lease = caught_at_work(store, run)
    for pid in (parent_of(lease.holder.pid), lease.holder.pid):
        os.kill(pid, signal.SIGKILL)


def stop_worker(store: Path, run: str) -> None:
    """Tell the worker of a run to stop, as a scheduler does that needs its place."""
    os.kill(parent_of(caught_at_work(store, run).holder.pid), signal.SIGTERM)


def freeze_worker(store: Path, run: str) -> None:
    """Freeze the worker of a run until its lease is taken, and let it wake up then."""
    lease = caught_at_work(store, run)
    pids = (parent_of(lease.holder.pid), lease.holder.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: newest_number(store, run) > lease.number)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def newest_number(store: Path, run: str) -> int:
    """Return the number of a run's newest lease, or of its newest attempt."""
    folder = RunFolder(store, run).path.name
    attempt = int(folder.removeprefix("attempt-")) if folder.startswith("attempt-") else 0
    return max([attempt, *(lease.number for lease in read_leases(store / run, "lease"))])


def assert_same_table(store: Path, here: Path) -> None:
    """Check that a store has the numbers of another, bit for bit."""
    for load in (load_results, load_ledger):
        one, two = load(store), load(here)
        times = [column for column in one.columns if column.endswith("seconds")]
        assert len(one)
        pd.testing.assert_frame_equal(
            one.drop(columns=times), two.drop(columns=times), check_exact=True
        )
