"""Sweeps: worker processes, failures, locks, and kills at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fedbytes.experiments.config.suite_file import load_suite
from fedbytes.experiments.execution.sweeps import sweep
from fedbytes.experiments.store.results import load_ledger, load_results, load_runs
from fedbytes.streams import stream

FAILING = """
from dataclasses import dataclass
from pathlib import Path
from fedbytes.compression.codec import CODECS, Codec

@CODECS.register("failing")
@dataclass(frozen=True)
class Failing(Codec):
    healed: str = ""

    def _encode(self, x, shared):
        if shared.round == 2 and not Path(self.healed).exists():
            raise RuntimeError("out of [luck]")
        return x.tobytes()

    def _decode(self, data, shared):
        import numpy as np
        return np.frombuffer(data, np.float32).copy()
"""


class Quiet:
    """Remembers what a sweep tells."""

    def __init__(self):
        self.events = []

    def started(self, config):
        self.events.append(("started", config.id))

    def on_event(self, config, event):
        self.events.append((type(event).__name__, config.id))


def signal_workers(which: signal.Signals) -> int:
    """Send a signal to every worker of this process; return their number."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    workers = [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    for worker in workers:
        os.kill(worker, which)
    return len(workers)


class Interrupter(Quiet):
    """Lets every worker hear Ctrl-C as soon as it is started, and at each of its events."""

    heard = 0

    def started(self, config):
        super().started(config)
        self.heard += signal_workers(signal.SIGINT)

    def on_event(self, config, event):
        super().on_event(config, event)
        self.heard += signal_workers(signal.SIGINT)


def start_sweep(suite: Path, out: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "fedbytes.cli", "sweep", str(suite), "--out", str(out)]
    return subprocess.Popen(
        [*command, "--no-report", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_same_tables(first: Path, second: Path) -> None:
    for load in (load_results, load_ledger):
        one, two = load(first), load(second)
        times = [column for column in one.columns if column.endswith("seconds")]
        assert len(one)
        pd.testing.assert_frame_equal(
            one.drop(columns=times), two.drop(columns=times), check_exact=True
        )


def test_a_sweep_makes_every_run_once_and_ctrl_c_is_its_parents_alone(suite_file, tmp_path):
    configs = load_suite(str(suite_file)).expand()
    quiet = Interrupter()
    outcome = sweep(configs, tmp_path / "store", workers=2, threads=1, reporter=quiet)
    assert sorted(outcome.done) == sorted(c.id for c in configs)
    assert quiet.heard > 10
    assert quiet.events.count(("Finished", configs[0].id)) == 1
    results = load_results(tmp_path / "store")
    assert results.groupby("run").size().tolist() == [4] * 4
    again = sweep(configs, tmp_path / "store", workers=2, threads=1, reporter=Quiet())
    assert sorted(again.skipped) == sorted(c.id for c in configs)
    assert not again.done


def test_a_failure_is_recorded_and_the_others_go_on(fedbytes, suite_file, settings, tmp_path):
    plugin, healed = tmp_path / "failing.py", tmp_path / "healed"
    plugin.write_text(FAILING)
    content = yaml.safe_load(suite_file.read_text())
    content["plugins"] = ["failing.py"]
    content["grid"] = {"codec": ["fp32", {"name": "failing", "healed": str(healed)}]}
    suite_file.write_text(yaml.safe_dump(content))
    store = tmp_path / "store"
    words = ("sweep", suite_file, "--out", store, "--no-report", "--workers", "1")
    done = fedbytes(*words)
    assert done.returncode == 1, done.stderr
    assert "out of [luck]" in done.stdout
    runs = load_runs(store)
    assert sorted(runs.status) == ["done", "failed"]
    failed = runs[runs.status == "failed"].iloc[0]
    assert failed.error == "RuntimeError: out of [luck]"
    assert "in _encode" in failed.traceback

    healed.touch()
    assert fedbytes(*words).returncode == 1
    assert sorted(load_runs(store).status) == ["done", "failed"]
    assert fedbytes(*words, "--retry-failed").returncode == 0
    assert sorted(load_runs(store).status) == ["done", "done"]


def test_two_sweeps_cannot_write_to_one_folder(fedbytes, suite_file, tmp_path):
    store = tmp_path / "store"
    first = start_sweep(suite_file, store, "rounds=200")
    try:
        deadline = time.monotonic() + 60
        while not list(store.glob("*/checkpoint/state.pt")) and time.monotonic() < deadline:
            time.sleep(0.1)
        second = fedbytes("sweep", suite_file, "--out", store)
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert "another sweep is writing to" in second.stderr
    assert second.stderr.count("\n") == 1


def wait_for_writers(store: Path) -> None:
    """Wait until the orphaned workers of a killed sweep are gone."""
    from filelock import FileLock

    for folder in store.glob("*/config.yaml"):
        with FileLock(folder.parent / ".lock", timeout=30):
            pass


def test_a_dead_worker_is_a_failed_run_and_is_replaced(suite_file, tmp_path):
    configs = load_suite(str(suite_file)).expand(["rounds=30"])[:2]

    class Killer(Quiet):
        def on_event(self, config, event):
            super().on_event(config, event)
            if self.events.count(("Advanced", configs[0].id)) == 1 and config is configs[0]:
                signal_workers(signal.SIGKILL)

    outcome = sweep(configs, tmp_path, workers=1, threads=1, reporter=Killer())
    assert list(outcome.failed) == [configs[0].id]
    assert "exit code -9" in outcome.failed[configs[0].id]
    assert outcome.done == [configs[1].id]


def test_a_sweep_that_is_told_to_stop_saves_its_rounds(suite_file, tmp_path):
    configs = load_suite(str(suite_file)).expand(["rounds=200", "checkpoint_every=200"])

    class Scheduler(Quiet):
        def on_event(self, config, event):
            if ("Advanced", config.id) not in self.events and type(event).__name__ == "Advanced":
                os.kill(os.getpid(), signal.SIGTERM)
            super().on_event(config, event)

    outcome = sweep(configs, tmp_path, workers=1, threads=1, reporter=Scheduler())
    assert outcome.stopped
    assert (outcome.done, outcome.failed) == ([], {})
    assert "stopped after round" in outcome.left[configs[0].id]
    runs = load_runs(tmp_path)
    assert runs.status.tolist() == ["interrupted"]
    assert 0 < len(load_results(tmp_path)) < 200
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def kill_and_resume(suite_file: Path, store: Path, kills: int, workers: int) -> None:
    rng = stream(0, "moments")
    for _ in range(kills):
        process = start_sweep(suite_file, store, "--workers", str(workers))
        time.sleep(float(rng.uniform(1.5, 9.0)))
        process.kill()
        process.communicate()
        wait_for_writers(store)
    last = start_sweep(suite_file, store, "--workers", str(workers))
    _, err = last.communicate(timeout=600)
    assert last.returncode == 0, err


def test_a_sweep_that_was_killed_ends_as_if_it_had_not_been(fedbytes, suite_file, tmp_path):
    words = ("sweep", suite_file, "--out", tmp_path / "whole", "--no-report", "--workers", "1")
    assert fedbytes(*words).returncode == 0
    kill_and_resume(suite_file, tmp_path / "killed", kills=1, workers=1)
    assert_same_tables(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_ten_kills_at_random_moments(suite_file, tmp_path):
    content = yaml.safe_load(suite_file.read_text())
    content["base"]["rounds"] = 60
    content["grid"]["codec"].append({"name": "ecsq", "bits": 1.5, "error_feedback": True})
    suite_file.write_text(yaml.safe_dump(content))
    whole = start_sweep(suite_file, tmp_path / "whole", "--workers", "2")
    assert whole.wait(timeout=600) == 0
    kill_and_resume(suite_file, tmp_path / "killed", kills=10, workers=2)
    assert_same_tables(tmp_path / "whole", tmp_path / "killed")
