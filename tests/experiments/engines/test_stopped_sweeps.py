"""What sweeps ask of their workers, and how they end when they are told to stop."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedbytes.experiments import LAUNCHERS, make_config
from fedbytes.experiments.engines.engine import Engine
from fedbytes.experiments.engines.launcher import SweepRequest
from fedbytes.experiments.execution import sweeps
from fedbytes.experiments.execution.events import Event, Failed, Finished, LeftAlone
from fedbytes.experiments.execution.sweep_plan import Outcome
from fedbytes.experiments.execution.sweeps import open_store
from fedbytes.experiments.execution.workers.stopping import stopping
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.process.leases.lease_files import read_leases

Call = Callable[..., Any]


class Listener:
    def started(self, config: Any) -> None: ...
    def on_event(self, config: Any, event: Any) -> None: ...


class NoWorkers:
    """An engine's workers of which none ever comes."""

    def submit(self, ids: Any) -> None: ...

    def alive(self) -> set[str]:
        os.kill(os.getpid(), signal.SIGTERM)
        return set()

    def close(self) -> None: ...


@pytest.fixture
def suite(settings: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"name": "tiny", "base": settings, "grid": {"seed": [0]}}))
    return path


def test_a_sweep_on_an_engine_that_is_told_to_stop_says_that_jobs_go_on(
    suite: Path, tmp_path: Path, fedbytes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = type(LAUNCHERS.make("slurm"))
    monkeypatch.setattr(slurm, "refusal", lambda self: "")
    monkeypatch.setattr(slurm, "start", lambda self, jobs: NoWorkers())
    before = signal.getsignal(signal.SIGTERM)
    done = fedbytes("sweep", suite, "--out", tmp_path / "s", "--on", "slurm", "--no-report")
    assert done.returncode == 75, done.stderr
    assert "stopped: its jobs go on, and the same command watches them again" in done.stdout
    assert signal.getsignal(signal.SIGTERM) is before
    assert not read_leases(tmp_path / "s", ".sweep")


@pytest.mark.parametrize("code", ["ENOLCK", "EOPNOTSUPP"])
def test_a_sweep_on_an_engine_needs_no_locks(
    settings: dict[str, Any], tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def refuse(*_: object) -> None:
        raise OSError(getattr(errno, code), "no locks")

    class Reached(Engine):
        name = "reached"

        def start(self, jobs: Any) -> Any:
            return NoWorkers()

    monkeypatch.setattr("fcntl.flock", refuse)
    asked = SweepRequest("tiny", [make_config(settings)], tmp_path)
    assert Reached().make_runs(asked, Listener()).stopped


class Pool:
    """Stands for the processes of a sweep on this machine."""

    asked: Any = None
    event: Event = Finished()

    def __init__(self, store: Path, threads: int, reporter: Any, asked: Any) -> None:
        Pool.asked = asked

    def run_all(self, queue: Any, count: int, outcome: Outcome) -> None:
        outcome.stopped = True


def test_a_sweep_here_promises_what_it_was_asked_to_and_a_run_that_is_stopped_is_code_75(
    suite: Path, tmp_path: Path, fedbytes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "_Pool", Pool)
    words = ("--out", tmp_path / "s")
    assert fedbytes("sweep", suite, *words, "--lease-seconds", "7").returncode == 75
    assert Pool.asked.lease_seconds == 7
    assert fedbytes("run", "--suite", suite, *words).returncode == 75


def test_one_process_of_a_sweep_that_is_told_to_stop_stops_all(tmp_path: Path) -> None:
    class Worker:
        config = type("Config", (), {"id": "x"})

        def receive(self, store: Path) -> Event:
            return LeftAlone("stopped after round 1 of 4", stopped=True)

    options = sweeps.WorkerOptions()
    pool, outcome = sweeps._Pool(tmp_path, 1, Listener(), options), Outcome()
    with stopping() as stopped:
        assert pool._is_free(Worker(), outcome, stopped)  # type: ignore[arg-type]
        assert stopped()
    assert list(outcome.left) == ["x"]


def test_a_probe_of_another_host_with_this_number_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = Path.touch, []

    def touch(path: Path, *words: Any, **more: Any) -> None:
        real(path, *words, **more)
        made.append(path.name)
        path.unlink()  # as the other one would

    monkeypatch.setattr(Path, "touch", touch)
    open_store(tmp_path)
    open_store(tmp_path)
    assert len(set(made)) == 2


def test_a_plan_has_failed_runs_made_again(suite: Path, tmp_path: Path, fedbytes: Call) -> None:
    store = tmp_path / "s"
    assert "1 of 1 run to make" in fedbytes("plan", suite, "--out", store).stdout
    (folder,) = (RunFolder(store, run) for run in _planned(store))
    folder.fail("its process died 3 times", "")
    (folder.path / "tries").write_text("3")
    assert "0 of 1 run to make" in fedbytes("plan", suite, "--out", store).stdout
    again = fedbytes("plan", suite, "--out", store, "--retry-failed")
    assert "1 of 1 run to make" in again.stdout
    assert folder.status == "waiting"
    assert not (folder.path / "tries").exists()


def _planned(store: Path) -> list[str]:
    from fedbytes.experiments.engines.plan_file import read_sweep_plan

    return [config.id for config in read_sweep_plan(store).runs]


def test_a_run_that_is_put_back_still_counts_as_left(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from fedbytes.cli.progress_table import LiveTable
    from fedbytes.cli.terminal.screen import Screen

    configs = [make_config(settings | {"seed": seed}) for seed in range(2)]
    table = LiveTable(configs, 0, Screen(width=250))
    ends: tuple[Event, ...] = (LeftAlone("x"), LeftAlone("x"), Failed("x"), Failed("x"), Finished())
    for event in ends:
        table.started(configs[0])
        table.on_event(configs[0], event)
    lines = [line for line in capsys.readouterr().out.splitlines() if " left)" in line]
    assert [line[line.rindex("(") :] for line in lines] == ["(2 left)"] * 2 + ["(1 left)"] * 3
