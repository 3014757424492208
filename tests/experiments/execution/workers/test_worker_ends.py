"""How a worker's process ends, and what its parent writes of that: only while it has the run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedbytes.experiments import make_config
from fedbytes.experiments.engines.free_runs import FreeRuns
from fedbytes.experiments.engines.plan_file import write_sweep_plan
from fedbytes.experiments.engines.work_store import work_store
from fedbytes.experiments.execution.events import Event, Failed, LeftAlone
from fedbytes.experiments.execution.workers.worker import _record_unheld
from fedbytes.experiments.execution.workers.worker_process import WorkerProcess
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import begin_try, tries
from fedbytes.process.leases.holder import Holder, this_process
from fedbytes.process.leases.lease_files import create_lease, lease_path, read_leases

GONE = 2**22 + 1  # above every process id
THERE = Holder("another-host", "boot", "space", 1, "1")


class Listener:
    def started(self, config: Any) -> None: ...
    def on_event(self, config: Any, event: Any) -> None: ...


@pytest.fixture
def config(settings: dict[str, Any], tmp_path: Path) -> Any:
    made = make_config(settings)
    (tmp_path / made.id).mkdir()
    return made


def hold(root: Path, holder: Holder, number: int = 1) -> None:
    content = {"holder": holder.stated(), "token": str(number), "seconds": 300, "beat": 0}
    assert create_lease(lease_path(root, "lease", number), content | {"released": False})


def dead_worker(config: Any, exit_code: int = -9, told: bool = False) -> WorkerProcess:
    """A worker whose process had the number `GONE`, as its parent sees it afterwards."""

    def recv() -> None:
        raise EOFError

    worker = WorkerProcess.__new__(WorkerProcess)
    worker.config, worker._told = config, told
    worker.pipe = SimpleNamespace(recv=recv)  # type: ignore[assignment]
    nothing = lambda: None  # noqa: E731
    worker.process = SimpleNamespace(  # type: ignore[assignment]
        join=nothing, kill=nothing, exitcode=exit_code, pid=GONE
    )
    return worker


def ours() -> Holder:
    return Holder(**(this_process().stated() | {"pid": GONE}))


def test_the_death_of_a_worker_that_has_the_run_is_put_down(config: Any, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, config.id)
    begin_try(folder)
    hold(folder.path, ours())
    event = dead_worker(config).receive(tmp_path)
    assert isinstance(event, Failed)
    assert "try 1 of 3 ended" in event.message
    assert (folder.path / "ends").read_text() == "-9"
    assert not read_leases(folder.path, "lease")


@pytest.mark.parametrize("told", [False, True])
def test_what_became_of_a_run_that_is_another_s_is_not_written_to_it(
    config: Any, tmp_path: Path, told: bool
) -> None:
    root = tmp_path / config.id
    hold(root, ours(), 1)
    hold(root, THERE, 2)
    live = root / "attempt-2"
    live.mkdir()
    (live / "tries").write_text("3")
    worker = dead_worker(config, told=told)
    assert isinstance(worker.receive(tmp_path), LeftAlone)
    worker.end(tmp_path)
    event = _record_unheld(root, RuntimeError("the device went away while we slept"))
    assert isinstance(event, LeftAlone)
    assert {path.name: path.read_text() for path in live.iterdir()} == {"tries": "3"}


def test_what_fails_before_the_run_is_held_is_put_down(config: Any, tmp_path: Path) -> None:
    event = _record_unheld(tmp_path / config.id, RuntimeError("no such plug-in"))
    assert event == Failed("RuntimeError: no such plug-in")
    assert RunFolder(tmp_path, config.id).failure == "RuntimeError: no such plug-in"
    assert not list(tmp_path.glob("*/lease*"))


class Scripted:
    """Stands for processes that end as they are told, one after another, without any start."""

    ends: tuple[Event | int, ...] = ()
    started = 0

    def __init__(self, *_: Any) -> None:
        self.config: Any = None
        self.pipe = SimpleNamespace(poll=lambda seconds: True)
        self.process = SimpleNamespace(pid=GONE, is_alive=lambda: False, kill=lambda: None)

    def assign(self, config: Any, if_held: Any) -> None:
        self.config = config

    def receive(self, store: Path) -> Event:
        end = Scripted.ends[min(Scripted.started, len(Scripted.ends) - 1)]
        Scripted.started += 1
        assert Scripted.started < 20, "tried without end"
        if not isinstance(end, int):
            return end
        self.process.exitcode = end
        return dead_worker(self.config, end).receive(store)

    def tell_to_stop(self) -> None: ...
    def end(self, store: Path) -> None: ...


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    monkeypatch.setattr("fedbytes.experiments.engines.work_store.WorkerProcess", Scripted)
    monkeypatch.setattr(Scripted, "started", 0)
    return Scripted


def test_a_process_that_dies_before_it_begins_is_not_started_without_end(
    settings: dict[str, Any], tmp_path: Path, scripted: type[Scripted]
) -> None:
    """The first run has failed with the exit codes; this host takes no other."""
    configs = [make_config(settings | {"seed": seed}) for seed in range(3)]
    plan = write_sweep_plan(tmp_path, "tiny", configs)
    scripted.ends = (-9, 1, -9)
    found = work_store(tmp_path, plan, reporter=Listener())
    ((run, message),) = found.failed.items()
    assert "died 3 times before it had begun (exit codes: -9, 1, -9)" in message
    assert RunFolder(tmp_path, run).failure == message
    assert (scripted.started, len(found.left)) == (3, 2)
    assert not found.stopped


def test_a_signal_to_the_process_that_status_names_stops_the_worker(
    config: Any, tmp_path: Path, scripted: type[Scripted]
) -> None:
    plan = write_sweep_plan(tmp_path, "tiny", [config])
    scripted.ends = (LeftAlone("stopped after round 1 of 4", stopped=True),)
    found = work_store(tmp_path, plan, reporter=Listener())
    assert found.stopped
    assert found.left == [config.id]
    assert scripted.started == 1


def test_a_worker_looks_at_few_folders_of_many(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [make_config(settings | {"seed": seed}) for seed in range(12)]
    looked: list[str] = []

    def live(root: Path) -> None:
        looked.append(root.name)

    monkeypatch.setattr("fedbytes.experiments.engines.free_runs.live_lease", live)
    runs = FreeRuns(tmp_path, configs)
    for number, config in enumerate(configs):
        assert runs.take(wait=False, stopped=lambda: False) == (config, "leave")
        (tmp_path / config.id).mkdir()
        (tmp_path / config.id / "done").touch()
        assert len(looked) == number + 1
    assert tries(RunFolder(tmp_path, configs[0].id)) == 0
