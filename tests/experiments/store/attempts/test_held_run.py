"""Runs that several hosts share: who holds one writes it, and the newest attempt counts."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fedbytes.experiments import load_ledger, load_results, load_runs, make_config, run
from fedbytes.experiments.execution.events import Advanced, Noticed
from fedbytes.experiments.execution.runner import RunStoppedError
from fedbytes.experiments.store import provenance
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.run_state import state_of
from fedbytes.experiments.store.saved_sums import read_saved
from fedbytes.process.leases.holder import Holder
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
