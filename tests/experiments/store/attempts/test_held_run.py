"""Runs that several hosts share: who holds one writes it, and the newest attempt counts."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from fedbytes.experiments import load_ledger, load_results, load_runs, make_config, run
from fedbytes.experiments.execution.events import Advanced, Noticed
from fedbytes.experiments.execution.only_sweep import only_sweep
from fedbytes.experiments.execution.runner import RunStoppedError
from fedbytes.experiments.store import provenance
from fedbytes.experiments.store.attempts.held_run import held_run
from fedbytes.experiments.store.attempts.take_over import take_over
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.run_state import state_of
from fedbytes.experiments.store.saved_sums import read_saved
from fedbytes.process.disk_errors import DiskError
from fedbytes.process.leases.holder import Holder, this_process
from fedbytes.process.leases.lease import HeldError, LostLeaseError
from fedbytes.process.leases.lease_files import create_lease, lease_path, read_leases

SILENT = 0.3


def hold_elsewhere(root: Path, number: int, seconds: float = SILENT) -> None:
    holder = Holder("another-host", "boot", "space", 1, "1")
    content = {"holder": holder.stated(), "token": f"theirs {number}", "seconds": seconds}
    assert create_lease(lease_path(root, "lease", number), content | {"beat": 0, "released": False})


def assert_same_table(store: Path, whole: Path, run_id: str) -> None:
    for load in (load_results, load_ledger):
        one, two = (rows[rows.run == run_id] for rows in (load(store), load(whole)))
        times = [column for column in one.columns if column.endswith("seconds")]
        assert len(one)
        pd.testing.assert_frame_equal(
            one.drop(columns=times).reset_index(drop=True),
            two.drop(columns=times).reset_index(drop=True),
            check_exact=True,
        )


@pytest.fixture
def whole(small: dict[str, Any], tmp_path: Path) -> Path:
    run(make_config(small | {"seed": 2}), tmp_path / "whole")
    return tmp_path / "whole"


def test_an_undisturbed_run_leaves_no_lease(made_store: Path) -> None:
    assert not list(made_store.rglob("lease*"))
    assert not list(made_store.rglob("attempt*"))


def test_a_silent_host_is_replaced_and_what_it_writes_then_is_not_read(
    store: Path, configs: list[Any], whole: Path
) -> None:
    config, heard = configs[2], []
    root = store / config.id
    hold_elsewhere(root, 1)
    folder = run(config, store, on_event=heard.append)
    assert folder.path == root / "attempt-2"
    assert folder.status == "done"
    told = [event.message for event in heard if isinstance(event, Noticed)]
    assert told == [
        f"run {config.id} is held by another-host (process 1): it is taken over after 0.3 s of "
        "silence"
    ]
    assert [event.round for event in heard if isinstance(event, Advanced)] == [3]
    assert not read_leases(root, "lease")
    (root / "rounds.jsonl").write_text("what a frozen worker writes when it wakes up")
    (root / "config.yaml").write_text("…")
    assert_same_table(store, whole, config.id)
    again = run(config, store)
    assert again.path == folder.path
    assert load_runs(store).set_index("run").status[config.id] == "done"


def test_the_highest_attempt_that_is_whole_counts(store: Path, configs: list[Any]) -> None:
    config = configs[2]
    root = store / config.id
    shutil.copytree(root, store / "copy")
    (store / "copy").rename(root / "attempt-4")
    with (root / "attempt-4/deltas.jsonl").open("a") as file:
        file.write("no row\n")
    assert load_runs(store).set_index("run").status[config.id] == "interrupted"
    hold_elsewhere(root, 5)
    folder = run(config, store)
    assert folder.path.name == "attempt-6"
    assert [path.name for path in root.glob("attempt-*")] == ["attempt-6"]


def test_a_worker_that_lost_its_lease_writes_no_checkpoint(store: Path, configs: list[Any]) -> None:
    config = configs[2]
    root = store / config.id

    def deliver(data: bytes) -> bytes:
        if not lease_path(root, "lease", 2).exists():
            hold_elsewhere(root, 2)
        return data

    with pytest.raises(LostLeaseError, match="taken over by another-host"):
        run(config, store, deliver=deliver)
    folder = RunFolder(store, config.id)
    assert folder.status == "interrupted"
    assert [saved["round"] for saved in read_saved(folder)] == [2]
    assert [lease.number for lease in read_leases(root, "lease")] == [1, 2]


def test_a_run_that_beats_elsewhere_is_left_alone(store: Path, configs: list[Any]) -> None:
    config = configs[2]
    root = store / config.id
    hold_elsewhere(root, 1, seconds=60)
    beats = iter(range(1, 1000))

    def beat(event: Any) -> None:
        path = lease_path(root, "lease", 1)
        path.write_text(json.dumps(json.loads(path.read_text()) | {"beat": next(beats)}))

    with pytest.raises(HeldError, match="is being made by another-host"):
        run(config, store, on_event=beat)
    assert RunFolder(store, config.id).status == "interrupted"


def test_a_run_stops_after_its_round_and_goes_on(
    small: dict[str, Any], whole: Path, tmp_path: Path
) -> None:
    config = make_config(small | {"seed": 2, "checkpoint_every": 3})
    with pytest.raises(RunStoppedError, match="stopped after round 1 of 3"):
        run(config, tmp_path / "s", stop=lambda: True)
    assert RunFolder(tmp_path / "s", config.id).status == "interrupted"
    heard: list[Any] = []
    run(config, tmp_path / "s", on_event=heard.append)
    assert [event.round for event in heard if isinstance(event, Advanced)] == [2, 3]
    assert_same_table(tmp_path / "s", whole, config.id)


def test_a_failure_is_put_down_while_the_run_is_held_and_not_after(
    store: Path, configs: list[Any]
) -> None:
    config = configs[2]
    root = store / config.id
    told: list[tuple[Path, str]] = []

    def tell(folder: RunFolder, error: Exception) -> None:
        (lease,) = read_leases(root, "lease")
        assert lease.holder == this_process()
        told.append((folder.path, str(error)))

    def fail(data: bytes) -> bytes:
        raise RuntimeError("out of luck")

    def fail_after_all(data: bytes) -> bytes:
        hold_elsewhere(root, 2)
        return fail(data)

    with pytest.raises(RuntimeError, match="out of luck"):
        run(config, store, deliver=fail, on_failure=tell)
    assert told == [(root, "out of luck")]
    with pytest.raises(LostLeaseError, match="taken over by another-host"):
        run(config, store, deliver=fail_after_all, on_failure=tell)
    assert len(told) == 1


def test_who_waits_for_a_silent_host_can_be_stopped(store: Path, configs: list[Any]) -> None:
    root = store / configs[2].id
    hold_elsewhere(root, 1, seconds=3600)
    with pytest.raises(RunStoppedError, match="before it was this process's turn"):
        run(configs[2], store, if_held="watch", stop=lambda: True)
    with FileLock(root / ".lock"), pytest.raises(RunStoppedError):
        run(configs[2], store, if_held="queue", stop=lambda: True)
    assert [lease.number for lease in read_leases(root, "lease")] == [1]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_the_lease_is_enough(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    with held_run(tmp_path / "r") as (lease, folder):
        lease.check()
        assert folder.path == tmp_path / "r"
    with only_sweep(tmp_path), pytest.raises(ValueError, match="another sweep is writing to"):  # noqa: SIM117
        with only_sweep(tmp_path):
            pass


def test_a_full_disk_costs_no_checkpoint_when_a_run_is_taken_over(
    store: Path, configs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configs[2]
    root = store / config.id
    real = shutil.copy2

    def copy(source: str, target: str, **options: Any) -> Any:
        if str(source).endswith("state.pt"):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return real(source, target, **options)

    def copytree(source: Path, target: Path, *more: Any, **options: Any) -> Any:
        options |= {} if more else {"copy_function": copy}
        return copied(source, target, *more, **options)

    copied = shutil.copytree
    monkeypatch.setattr(shutil, "copytree", copytree)
    with pytest.raises(DiskError, match="No space left on device"):
        take_over(root, 2, "it fell silent")
    assert not list(root.glob("*attempt*"))
    assert read_saved(RunFolder(store, config.id))[0]["round"] == 2


def test_what_is_damaged_by_its_own_digests_alone_is_given_up(
    store: Path, configs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedbytes.experiments.store.attempts.take_over._PAUSES", (0.0, 0.0))
    config, heard = configs[2], []
    root = store / config.id

    def copytree(source: Path, target: Path, **_: Any) -> None:
        raise FileNotFoundError(source)  # a file is replaced at each look

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", copytree)
        with pytest.raises(HeldError, match="is still being written"):
            take_over(root, 2, "it fell silent")
    (root / "checkpoint/state.pt").write_bytes(b"no state")
    hold_elsewhere(root, 1)
    folder = run(config, store, on_event=heard.append)
    assert folder.path.name == "attempt-2"
    (said,) = [one.message for one in heard if isinstance(one, Noticed) and "anew" in one.message]
    assert "state.pt" in said
    assert "state.pt" in folder.provenance()["restarted"]


def test_a_run_that_goes_on_elsewhere_says_so(
    store: Path, configs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "_processor", lambda: "Another Processor 9000")
    folder = run(configs[2], store)
    (entry,) = folder.provenance()["continued"]
    assert (entry["after_round"], entry["processor"]) == (2, "Another Processor 9000")
    state = state_of(folder)
    assert state.status == "done"
    assert "went on after round 2 on Another Processor 9000" in state.reason
    assert "last bits may differ" in state.reason
    assert "continued" not in RunFolder(store, configs[0].id).provenance()
