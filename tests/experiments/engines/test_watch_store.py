"""The watcher of a sweep on an engine: how often it asks for workers, and when it gives up."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import make_config
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.slurm_jobs import note_jobs
from fedbytes.experiments.engines.watch_store import watch_store
from fedbytes.experiments.execution.sweep_plan import Outcome
from fedbytes.experiments.store.row_files import append_row
from fedbytes.process.leases.holder import Holder
from fedbytes.process.leases.lease import acquire
from fedbytes.process.leases.lease_files import create_lease, lease_path
from fedbytes.process.leases.silence import Silence


class Listener:
    def started(self, config: Any) -> None: ...
    def on_event(self, config: Any, event: Any) -> None: ...


class Workers:
    """Workers that do `deed` when they are asked for, and are gone at once."""

    def __init__(self, deed: Callable[[int], None] = lambda asked: None) -> None:
        self.asked, self.deed = 0, deed
        self.alive_now: set[str] = set()

    def submit(self, ids: Sequence[str]) -> None:
        self.asked += 1
        assert self.asked < 50, "asked for without end"
        self.deed(self.asked)

    def alive(self) -> set[str]:
        return self.alive_now

    def close(self) -> None: ...


@pytest.fixture
def config(settings: dict[str, Any], tmp_path: Path) -> RunConfig:
    made = make_config(settings)
    (tmp_path / made.id).mkdir()
    return made


def watched(store: Path, config: RunConfig, workers: Workers) -> Outcome:
    outcome = Outcome()
    watch_store(store, [config], workers, outcome, Listener(), poll=0)
    return outcome


def hold_silently(store: Path, config: RunConfig, number: int = 1, seconds: int = 0) -> None:
    """A lease of another host, silent after `seconds`: at once if it has promised nothing."""
    holder = Holder("another-host", "boot", "space", 1, "1")
    content = {"holder": holder.stated(), "token": "theirs", "seconds": seconds, "beat": 0}
    path = lease_path(store / config.id, "lease", number)
    assert create_lease(path, content | {"released": False})


def test_a_replacement_that_is_lost_is_replaced_too(tmp_path: Path, config: RunConfig) -> None:
    hold_silently(tmp_path, config)
    workers = Workers()
    outcome = watched(tmp_path, config, workers)
    assert workers.asked == 3
    assert "3 workers ended without getting run" in outcome.failed[config.id]


def test_the_frozen_worker_s_own_job_hides_its_first_replacement_alone(
    tmp_path: Path, config: RunConfig
) -> None:
    hold_silently(tmp_path, config)

    def finish(asked: int) -> None:
        if asked == 2:
            (tmp_path / config.id / "done").touch()

    workers = Workers(finish)
    workers.alive_now = {config.id}
    looks = iter(range(100))

    def alive() -> set[str]:
        return {config.id} if next(looks) < 20 else set()

    workers.alive = alive  # type: ignore[method-assign]
    assert watched(tmp_path, config, workers).done == [config.id]
    assert next(looks) >= 20  # the second was not asked for while the first was there


@pytest.mark.parametrize(("frozen", "asked"), [(1, 0), (4, 0), (5, 1)])
def test_a_machine_that_stood_still_is_no_silence_of_its_workers(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch, frozen: int, asked: int
) -> None:
    """A gap of an hour between two looks says nothing; five looks without a beat do."""
    hold_silently(tmp_path, config, seconds=5)
    now, looks = [0.0], iter(range(100))
    monkeypatch.setattr(
        "fedbytes.experiments.engines.watch_store.Silence", lambda: Silence(clock=lambda: now[0])
    )
    workers = Workers()

    def alive() -> set[str]:
        if next(looks) > frozen:
            (tmp_path / config.id / "done").touch()
        else:
            now[0] += 3600
        return {config.id}

    workers.alive = alive  # type: ignore[method-assign]
    assert watched(tmp_path, config, workers).done == [config.id]
    assert workers.asked == asked


def test_workers_that_take_a_run_and_come_to_nothing_are_counted(
    tmp_path: Path, config: RunConfig
) -> None:
    """As on a full disk: the run is not to blame, and no worker helps."""

    def come_to_nothing(asked: int) -> None:
        acquire(tmp_path / config.id).release(forget_lower=True)
        notes = tmp_path / "engines" / "ray"
        notes.mkdir(parents=True, exist_ok=True)
        (notes / f"{config.id}.log").write_text(f"starts\ncannot write it {asked}\n")

    workers = Workers(come_to_nothing)
    outcome = watched(tmp_path, config, workers)
    assert workers.asked == 3
    assert "the last one said: cannot write it 3" in outcome.failed[config.id]
    assert "\n" not in outcome.failed[config.id]


def test_the_log_of_a_job_is_found_by_its_number(tmp_path: Path, config: RunConfig) -> None:
    def log(asked: int) -> None:
        notes = tmp_path / "engines" / "slurm"
        notes.mkdir(parents=True, exist_ok=True)
        note_jobs(notes, {f"7{asked}_0": config.id})
        (notes / f"7{asked}_0.log").write_text(f"job {asked} found no space\n")

    outcome = watched(tmp_path, config, Workers(log))
    assert "the last one said: job 3 found no space" in outcome.failed[config.id]


def test_a_run_that_gets_further_is_asked_for_as_often_as_needed(
    tmp_path: Path, config: RunConfig
) -> None:
    def make_a_round(asked: int) -> None:
        append_row(tmp_path / config.id / "rounds.jsonl", {"round": asked, "total_bytes": 1})
        if asked == 9:
            (tmp_path / config.id / "done").touch()

    workers = Workers(make_a_round)
    assert watched(tmp_path, config, workers).done == [config.id]
    assert workers.asked == 9
