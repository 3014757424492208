"""Workers of a store: they stop and go on, replace what is killed, and leave others' runs alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fedbytes.experiments import load_ledger, load_results, make_config, run
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.free_runs import FreeRuns, live_lease
from fedbytes.experiments.engines.plan_file import write_sweep_plan
from fedbytes.experiments.engines.work_store import work_store
from fedbytes.experiments.execution.runner import RunStoppedError
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import begin_try, note_end
from fedbytes.process.leases.lease import acquire

DEADLY = """
import os, signal
from dataclasses import dataclass
from fedbytes.compression.codec import CODECS, Codec

@CODECS.register("deadly")
@dataclass(frozen=True)
class Deadly(Codec):
    def _encode(self, x, shared):
        os.kill(os.getpid(), signal.SIGKILL)

    def _decode(self, data, shared): ...
"""
SLOW = """
import time
from dataclasses import dataclass
import numpy as np
from fedbytes.compression.codec import CODECS, Codec

@CODECS.register("slow")
@dataclass(frozen=True)
class Slow(Codec):
    def _encode(self, x, shared):
        time.sleep(0.1)
        return x.tobytes()

    def _decode(self, data, shared):
        return np.frombuffer(data, np.float32).copy()
"""


class Listener:
    def started(self, config: Any) -> None: ...
    def on_event(self, config: Any, event: Any) -> None: ...


def start_worker(store: Path, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fedbytes", "work", str(store), "--threads", "1"]
    return subprocess.Popen(
        [*command, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(holds: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def assert_same_tables(one: Path, other: Path) -> None:
    for load in (load_results, load_ledger):
        first, second = load(one), load(other)
        times = [column for column in first.columns if column.endswith("seconds")]
        assert len(first)
        pd.testing.assert_frame_equal(
            first.drop(columns=times), second.drop(columns=times), check_exact=True
        )


@pytest.fixture
def small(texts: Path) -> dict[str, Any]:
    return {
        "task": {"name": "file", "path": str(texts), "max_length": 16},
        "model": {"name": "tiny-bert"},
        "adapter": "head",
        "partition": {"name": "iid", "num_clients": 2},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
        "rounds": 3,
    }


def test_a_worker_that_is_told_to_stop_saves_its_round_and_another_goes_on(
    small: dict[str, Any], tmp_path: Path
) -> None:
    store, whole = tmp_path / "store", tmp_path / "whole"
    store.mkdir()
    (tmp_path / "slow.py").write_text(SLOW)
    slow = {"plugins": [str(tmp_path / "slow.py")], "uplink": {"name": "slow"}}
    long = make_config(small | slow | {"rounds": 400, "checkpoint_every": 400})
    write_sweep_plan(store, "tiny", [long])
    worker = start_worker(store)
    wait_for(lambda: RunFolder(store, long.id).path.joinpath("rounds.jsonl").exists())
    assert live_lease(store / long.id) is not None
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=120)
    assert worker.returncode == 75, err
    assert "left" in out
    assert live_lease(store / long.id) is None
    assert RunFolder(store, long.id).status == "interrupted"
    reached = len((RunFolder(store, long.id).path / "rounds.jsonl").read_text().splitlines())
    assert 0 < reached < 400
    with pytest.raises(RunStoppedError, match=f"after round {reached + 1} of 400"):
        run(long, store, stop=lambda: True)  # goes on where it stopped
    stops = iter([False] * reached + [True])
    with pytest.raises(RunStoppedError):
        run(long, whole, stop=lambda: next(stops))
    assert_same_tables(store, whole)


def test_a_run_that_kills_its_worker_for_the_third_time_has_failed(
    small: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    plugins = {"plugins": [str(tmp_path / "deadly.py")], "uplink": {"name": "deadly"}}
    config = make_config(small | plugins)
    plan = write_sweep_plan(tmp_path, "tiny", [config])
    folder = RunFolder(_folder(tmp_path, config).parent, config.id)
    for end in ("137", "another-host fell silent"):
        begin_try(folder)  # as workers on other hosts did before
        note_end(folder, end)
    found = work_store(tmp_path, plan, reporter=Listener())
    assert "died 3 times (exit codes: 137, another-host fell silent, -9)" in folder.failure
    assert found.failed == {config.id: folder.failure}
    assert (found.done, found.left, found.stopped) == ([], [], False)
    assert not list(tmp_path.glob("*/lease*"))


def test_a_worker_takes_what_nobody_makes(small: dict[str, Any], tmp_path: Path) -> None:
    configs = [make_config(small | {"seed": seed}) for seed in range(3)]
    other = configs[0].model_copy(update={"model": {"name": "another"}})
    runs = FreeRuns(tmp_path, [other, *configs[1:]])
    lease = acquire(_folder(tmp_path, other), seconds=1)
    taken = runs.take(wait=False, stopped=lambda: False)
    assert taken == (configs[1], "leave")
    _folder(tmp_path, configs[1]).joinpath("done").touch()
    assert runs.left() == [other.id, configs[2].id]
    lease.release(forget_lower=True)
    assert runs.take(wait=False, stopped=lambda: False) == (configs[2], "leave")  # same model
    runs.drop(configs[2])
    assert runs.take(wait=False, stopped=lambda: False) == (other, "leave")
    again = acquire(_folder(tmp_path, other), seconds=1)
    assert runs.take(wait=False, stopped=lambda: False) is None
    again.release(forget_lower=True)


def _folder(store: Path, config: RunConfig) -> Path:
    path = store / config.id
    path.mkdir(exist_ok=True)
    return path


def test_the_holder_of_a_silent_lease_is_watched(small: dict[str, Any], tmp_path: Path) -> None:
    config = make_config(small)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path\n"
            "from fedbytes.process.leases.lease import acquire\n"
            "acquire(Path(sys.argv[1]), seconds=1); time.sleep(600)",
            str(_folder(tmp_path, config)),
        ]
    )
    try:
        wait_for(lambda: live_lease(tmp_path / config.id) is not None)
        os.kill(holder.pid, signal.SIGSTOP)
        runs = FreeRuns(tmp_path, [config])
        assert runs.take(wait=False, stopped=lambda: False) == (config, "watch")
    finally:
        holder.kill()
        holder.wait()
    assert FreeRuns(tmp_path, [config]).take(wait=False, stopped=lambda: False) == (config, "leave")
