"""Files of a run that grow with what changes, not with its clients."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fedbytes.experiments.execution.run_setup import who_holds_what
from fedbytes.experiments.store.checkpoint import load_checkpoint, save_checkpoint
from fedbytes.experiments.store.many_clients.client_files import read_client_files
from fedbytes.experiments.store.many_clients.holdings import (
    COUNTS,
    HOLDINGS,
    read_holdings,
    write_holdings,
)
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import DamageError, write_sealed
from fedbytes.federated import Federation, Simulation, TinyRegression, make_algorithm, make_link
from fedbytes.noniid import make_partitioner

EF = {"name": "topk", "density": 0.05, "error_feedback": True}


def simulation(state: Any = None) -> Simulation:
    fed = Federation(
        model=TinyRegression(),
        parts=[np.array([c % 240, (7 * c + 1) % 240]) for c in range(60)],
        algorithm=make_algorithm("fedavg", local_steps=1, batch_size=2),
        uplink=make_link(EF),
        downlink=make_link(EF),
        clients_per_round=6,
    )
    return Simulation(fed, state)


def begin(folder: RunFolder) -> None:
    folder.clear()
    write_sealed(folder.path / "provenance.json", {})
    write_sealed(folder.path / HOLDINGS, {"counts": [], "categories": []})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path, "run")
    begin(folder)
    return folder


def go(folder: RunFolder, run: Simulation, rounds: int) -> Simulation:
    for _ in range(rounds):
        run.run_round()
        save_checkpoint(folder, run.state, run.ledger, {})
    return run


def test_outdated_records_are_written_anew_and_every_checkpoint_is_whole(folder: RunFolder) -> None:
    run, starts = simulation(), set()
    for _ in range(30):
        go(folder, run, 1)
        files = read_client_files(folder, run.state.round)
        assert sorted(folder.checkpoints.glob("clients-*")) == files  # and no others
        starts.add(files[0].name)
        assert sum(path.stat().st_size for path in files) < 60 * 2 * 4000 + 2 * (1 << 16)
    assert any(name.endswith("-all.bin") for name in starts)
    state, _, damage = load_checkpoint(RunFolder(folder.path.parent, "run"))
    assert damage == ""
    resumed, whole = simulation(state), simulation()
    for _ in range(33):
        whole.run_round()
    go(folder, resumed, 3)
    assert resumed.state.model.equal(whole.state.model)
    assert list(resumed.state.server.synced) == list(whole.state.server.synced)


def test_a_kill_before_the_state_is_in_place_goes_on_from_the_round_before(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = go(folder, simulation(), 4)
    run.run_round()
    newest = [folder.checkpoints / name for name in ("new-state.pt", "clients-000005.bin")]
    run.state.save(newest[0], {}, newest[1])
    newest[0].unlink()
    state, _, damage = load_checkpoint(RunFolder(folder.path.parent, "run"))
    assert damage == ""
    assert state is not None
    assert state.round == 4
    assert not newest[1].exists()


@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
def test_a_damaged_file_of_clients_is_found(folder: RunFolder, harm: str) -> None:
    go(folder, simulation(), 3)
    path = folder.checkpoints / "clients-000002.bin"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if harm != "gone":
        path.write_bytes(data[:-9] if harm == "cut" else data)
    state, _, damage = load_checkpoint(RunFolder(folder.path.parent, "run"))
    assert state is None
    assert "clients-*.bin" in damage
    assert "\n" not in damage


@pytest.mark.parametrize(("clients", "categories"), [(50, 4), (3000, 4), (3000, 900)])
def test_holdings_are_read_as_they_were_and_are_small(
    tmp_path: Path, clients: int, categories: int
) -> None:
    column = np.random.default_rng(0).integers(categories, size=9000)
    partition = make_partitioner("iid")(column, clients, seed=0)
    partition.name_clients([f"client {number}" for number in range(clients)])
    fed = SimpleNamespace(population=SimpleNamespace(hostile=[(3, 1)]), planted=None)
    problem: Any = SimpleNamespace(
        split=SimpleNamespace(partition=partition, factor=column), federation=fed
    )
    write_holdings(tmp_path, *who_holds_what(problem))
    held = read_holdings(tmp_path)
    assert np.array_equal(held.table.dense(), partition.counts(column)[1])
    assert held.categories == [str(number) for number in range(categories)]
    assert held.names == list(partition.names)
    assert (tmp_path / COUNTS).exists() == (clients > 1000)
    if clients > 1000:
        sizes = [(tmp_path / name).stat().st_size for name in (HOLDINGS, COUNTS)]
        assert sum(sizes) < 20 * clients
        split = make_partitioner("transfer", matrix=str(tmp_path / HOLDINGS))(column, clients, 0)
        assert np.abs(split.counts(column)[1] - held.table.dense()).sum() <= 0.6 * len(column)
        (tmp_path / COUNTS).write_bytes((tmp_path / COUNTS).read_bytes()[:-20])
        with pytest.raises(DamageError, match=r"holdings\.npz is altered"):
            read_holdings(tmp_path)
        (tmp_path / COUNTS).unlink()
        with pytest.raises(DamageError, match=r"holdings\.npz is missing"):
            read_holdings(tmp_path)
