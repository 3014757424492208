"""A damaged checkpoint: the run starts anew and says so, once."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedbytes.experiments import load_ledger, load_results, load_runs, run
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Advanced, Noticed
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.saved_sums import new_state, read_saved
from fedbytes.experiments.store.sealed_json import read_sealed


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


HARMS: list[tuple[str, Callable[[Path], None]]] = [
    ("state.pt", halve),
    ("state.pt", empty),
    ("state.pt", flip),
    ("state.pt", Path.unlink),
    ("state.json", halve),
    ("ledger-000001.parquet", flip),
    ("ledger-000002.parquet", Path.unlink),
    ("../rounds.jsonl", halve),
    ("../provenance.json", Path.unlink),
]


@pytest.mark.parametrize(("name", "harm"), HARMS)
def test_a_damaged_checkpoint_starts_the_run_anew_and_says_so(
    name: str, harm: Callable[[Path], None], store: Path, configs: list[RunConfig]
) -> None:
    folder = RunFolder(store, configs[2].id)
    harm(folder.checkpoints / name)
    events: list[Any] = []
    run(configs[2], store, on_event=events.append)
    (notice,) = [event for event in events if isinstance(event, Noticed)]
    assert "starts anew" in notice.message
    assert "\n" not in notice.message
    assert [e.round for e in events if hasattr(e, "round")] == [1, 2, 3]
    assert "restarted" in read_sealed(folder.path / "provenance.json")
    assert load_results(store).groupby("run").size().tolist() == [3, 3, 3]


def test_it_is_said_where_nobody_listens(store: Path, configs: list[RunConfig]) -> None:
    halve(RunFolder(store, configs[2].id).state)
    with pytest.warns(UserWarning, match=r"starts anew: .*state\.pt is cut or altered"):
        run(configs[2], store)


@pytest.mark.parametrize("kept", [True, False])
def test_a_kill_between_the_two_files_of_a_checkpoint_loses_a_round_at_most(
    kept: bool, store: Path, configs: list[RunConfig], tmp_path: Path
) -> None:
    folder, first = RunFolder(tmp_path / "s", configs[2].id), tmp_path / "first"

    def stop(event: Any) -> None:
        if isinstance(event, Advanced) and event.round == 1:
            shutil.copytree(folder.checkpoints, first)
        elif isinstance(event, Advanced):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(configs[2], tmp_path / "s", on_event=stop)
    before = read_sealed(first / "state.json")["saved"]
    assert read_saved(folder)[1:] == before
    if kept:
        folder.state.replace(new_state(folder))
    shutil.copy(first / "state.pt", folder.state)
    rounds: list[Any] = []
    run(configs[2], tmp_path / "s", on_event=rounds.append)
    assert [e.round for e in rounds if hasattr(e, "round")] == ([3] if kept else [2, 3])
    run(configs[2], store)
    for load in (load_results, load_ledger):
        one, two = load(tmp_path / "s"), load(store)
        two = two[two.run == configs[2].id].reset_index(drop=True)
        shared = [c for c in one.columns if c in two.columns and not c.endswith("seconds")]
        assert one[shared].equals(two[shared])


def test_an_undamaged_checkpoint_says_nothing(store: Path, configs: list[RunConfig]) -> None:
    events: list[Any] = []
    run(configs[2], store, on_event=events.append)
    assert not [event for event in events if isinstance(event, Noticed)]
    assert set(load_runs(store).status) == {"done"}
