"""A run whose clients train in several processes ends with the bits of one process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution import preflight
from fedbytes.experiments.execution.events import Advanced
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.execution.sweeps import default_threads, default_workers
from fedbytes.experiments.store.results import load_ledger
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.process.pool.pool_worker import WorkerLostError

EF = {"name": "topk", "density": 0.1, "error_feedback": True}
CASES = {
    "scaffold, codec with a memory": {
        "algorithm": {"name": "scaffold", "local_steps": 2},
        "codec": EF,
        "clients_per_round": 3,
    },
    "hetlora, ranks of its own": {
        "algorithm": {"name": "hetlora", "local_steps": 1, "gamma": 0.5},
        "adapter": {"name": "lora", "rank": 4},
    },
    "attacked and cleaned": {
        "algorithm": {"name": "moon", "local_steps": 1},
        "adapter": {"name": "lora", "rank": 2},
        "uplink": {"name": "ecsq", "bits": 2, "error_feedback": True},
        "attack": {"name": "label_flip", "share": 0.25},
        "clean": "loss",
    },
    "local, whose clients keep a model": {"algorithm": {"name": "local", "local_steps": 1}},
    "two clients at once, each tested": {
        "algorithm": {"name": "fedprox", "mu": 0.1, "local_epochs": 1},  # of unequal length
        "clients_at_once": 2,
        "codec": EF,
        "evaluate_clients": True,
    },
}


class CutError(Exception):
    """Stands for whatever ends a process."""


class Made:
    """A run that was made, with every byte that crossed and all that it found but for seconds."""

    def __init__(self, fields):
        self.config, self.crossed, self.done = make_config(fields), [], 0

    def go(self, store, on_event=lambda event: None):
        """Make it, or go on with it; what crossed after the last whole round crosses again."""

        def listen(event):
            self.done = len(self.crossed) if isinstance(event, Advanced) else self.done
            on_event(event)

        del self.crossed[self.done :]
        self.store = store
        self.folder = run(self.config, store, deliver=self.keep, on_event=listen)
        return self

    def keep(self, data):
        self.crossed.append(bytes(data))
        return data

    @property
    def rows(self):
        rows = read_json_lines(self.folder.path / "rounds.jsonl")
        return [{key: row[key] for key in row if key != "seconds"} for row in rows]

    @property
    def ledger(self):
        ledger = load_ledger(self.store)
        return ledger[[name for name in ledger if not name.endswith("seconds")]]


def same(one, other):
    assert one.config.id == other.config.id
    assert one.crossed == other.crossed
    assert one.rows == other.rows
    pd.testing.assert_frame_equal(one.ledger, other.ledger)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_several_processes_give_the_bits_of_one(settings, case, tmp_path):
    fields = settings | CASES[case] | {"rounds": 3}
    alone = Made(fields).go(tmp_path / "one")
    spread = Made(fields | {"workers_per_run": 2}).go(tmp_path / "two")
    same(alone, spread)
    assert "workers_per_run" not in alone.folder.provenance()
    assert spread.folder.provenance()["workers_per_run"] == 2
    summary = json.loads((spread.folder.path / "summary.json").read_text())
    phases = [summary[key] for key in summary if key.startswith("seconds_")]
    assert sum(phases) == pytest.approx(summary["seconds"])


def children():
    """Return the processes of workers that this one has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    return [
        int(line.split()[0]) for line in listed.stdout.splitlines() if "pool.worker_main" in line
    ]


def test_a_killed_worker_is_said_and_another_number_of_workers_goes_on(settings, tmp_path):
    fields = settings | CASES["scaffold, codec with a memory"] | {"rounds": 4}
    files = set(Path("/dev/shm").glob("*"))

    def kill(event):
        if isinstance(event, Advanced) and event.round == 2:
            os.kill(children()[0], signal.SIGKILL)

    made = Made(fields | {"workers_per_run": 2})
    with pytest.raises(WorkerLostError, match=r"exit code -9.* a lower workers_per_run"):
        made.go(tmp_path / "killed", on_event=kill)
    assert not children()
    assert set(Path("/dev/shm").glob("*")) <= files
    made.config = make_config(fields)
    same(made.go(tmp_path / "killed"), Made(fields).go(tmp_path / "whole"))
    found = made.folder.provenance()
    assert found["workers_per_run"] == 2
    assert found["workers_changed"] == [{"after_round": 2, "workers_per_run": 1}]


@pytest.mark.slow
def test_a_run_of_one_process_goes_on_in_three(settings, tmp_path):
    fields = settings | CASES["scaffold, codec with a memory"] | {"rounds": 4}

    def cut(event):
        if isinstance(event, Advanced) and event.round == 2:
            raise CutError

    made = Made(fields)
    with pytest.raises(CutError):
        made.go(tmp_path / "cut", on_event=cut)
    made.config = make_config(fields | {"workers_per_run": 3})
    same(made.go(tmp_path / "cut"), Made(fields).go(tmp_path / "whole"))


@pytest.mark.slow
def test_an_error_in_a_worker_is_the_run_s(settings, tmp_path):
    plugin = tmp_path / "picky.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from fedbytes.federated import ALGORITHMS, Averaging\n\n"
        "@ALGORITHMS.register('picky')\n"
        "@dataclass(frozen=True)\n"
        "class Picky(Averaging):\n"
        "    def client(self, model, start, indices, memory, rng):\n"
        "        raise ValueError(f'there is nothing to learn from {len(indices)} examples')\n"
    )
    fields = {"algorithm": {"name": "picky", "local_steps": 1}, "plugins": (str(plugin),)}
    config = make_config(settings | fields | {"workers_per_run": 2})
    with pytest.raises(ValueError, match=r"nothing to learn from \d+ examples") as caught:
        run(config, tmp_path / "runs")
    assert "client(self" not in str(caught.value)
    assert "picky.py" in str(caught.value.__cause__)
    assert not children()


@pytest.mark.slow
def test_workers_end_with_who_started_them(settings, tmp_path):
    script = tmp_path / "long.py"
    script.write_text(
        "import json, sys\n"
        "from fedbytes.experiments import run\n"
        "from fedbytes.experiments.config.run_config import make_config\n"
        "run(make_config(json.loads(sys.argv[1])), sys.argv[2])\n"
    )
    fields = json.dumps(settings | {"rounds": 500, "workers_per_run": 2})
    store = tmp_path / "runs"
    process = subprocess.Popen([sys.executable, script, fields, store])
    while not list(store.glob("*/checkpoint/state.json")):
        assert process.poll() is None
        time.sleep(0.1)
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    workers = [int(word) for word in listed.stdout.split()]
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGTERM)  # as schedulers send it to all
    time.sleep(0.3)
    assert process.poll() is None
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_workers_and_a_model_that_processes_share_are_refused(settings):
    model = {"name": "tiny-llama", "tensor_parallel": True}
    with pytest.raises(ValueError, match="tensor_parallel=true processes share one model"):
        make_config(settings | {"model": model, "workers_per_run": 2})


@pytest.mark.parametrize("audit", ["span", "invert"])
def test_workers_and_an_audit_that_is_scored_by_what_clients_read_are_refused(settings, audit):
    spread = settings | {"workers_per_run": 2, "rounds": 3}
    with pytest.raises(ValueError, match=rf"^workers_per_run=2: audit '{audit}' .* read.*=1$"):
        make_config(spread | {"audit": ["norms", audit]})
    make_config(spread | {"audit": "norms"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"clients_at_once": 2},
            "the 4 clients of a round train as 2, .*: set clients_at_once to at most 1$",
        ),
        ({"workers_per_run": 5}, "clients of a round train as 4, .*: set workers_per_run=4$"),
        ({}, ""),
        ({"clients_at_once": 2, "workers_per_run": 2}, ""),
    ],
)
def test_processes_that_no_client_trains_in_are_said(settings, fields, said):
    split = {"name": "iid", "num_clients": 4}
    usual = {"workers_per_run": 4, "partition": split, "clients_per_round": None}
    notes = preflight.check([make_config(settings | usual | {"adapter": "head"} | fields)])
    if said:
        assert re.search(said, notes.pop())
    assert notes == []


def test_the_default_number_of_runs_leaves_each_its_processes(settings, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    configs = [make_config(settings), make_config(settings | {"workers_per_run": 3})]
    assert default_workers(configs[:1]) == 8
    assert default_workers(configs) == 2
    assert default_threads(configs, 1) == 2
    assert default_threads(configs, 2) == 1
