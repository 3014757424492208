"""A saved state is read as it was, whatever is in it."""

from collections.abc import Mapping
from dataclasses import MISSING, fields

import pytest
import torch

from fedbytes.federated.client.client_state import ClientState
from fedbytes.federated.client_memory.kept_by_client import KeptByClient
from fedbytes.federated.population.sent_versions import SentVersions
from fedbytes.federated.replica import Replica
from fedbytes.federated.server.server_state import ServerState
from fedbytes.federated.state import DamagedStateError, State, keep_clients
from fedbytes.federated.testing.bench_federation import same

GUARD = {"limit": 1000.0, "patience": 5, "scale": 2.0, "rounds": 3, "last": 1.5, "growing": 2}
CLIENT = {
    "version": 4,
    "memory": {"gradient": torch.arange(3.0)},
    "senders": {"": {"residual": torch.ones(3), "velocity": torch.zeros(3)}},
    "guards": {"": GUARD},
    "announced": 7,
    "plugins": {"privacy 0 clip": {"spent": 0.5, "noise": torch.ones(2)}},
    "dropped": 11,
    "planted": 12,
    "dropped_planted": 5,
    "root": b"trusted",
}
SERVER = {
    "model": torch.linspace(0, 1, 3),
    "synced": SentVersions([4, -1]),
    "round": 5,
    "optimizer": {"velocity": torch.full((3,), 0.25)},
    "updates": [b"one", b"two"],
    "reference": torch.full((3,), 3.0),
    "senders": {"": {"residual": torch.full((3,), 4.0)}},
    "guards": {"": GUARD | {"rounds": 4}},
    "estimates": KeptByClient("estimates", {0: {"": torch.full((3,), 5.0)}}),
    "announced": {0: 7},
    "reported": {0: 11},
    "encode_seconds": 0.125,
    "defenses": {"defense 0 x": {"kept": torch.ones(1)}},
    "privacy": {"privacy 0 dp": {"clip": 0.5}},
}
REPLICA = {"version": 5, "vector": torch.full((3,), 6.0), "reference": torch.full((3,), 7.0)}
BESIDE = {"attacks": {"attack 0 x": {"seen": 3}}, "audits": {"audit 0 y": {"heard": torch.ones(2)}}}


def plain(owner):
    """Return a dataclass's fields, and those of what it holds, as plain values."""
    if isinstance(owner, State | ClientState | ServerState | Replica):
        owner = vars(owner)
    return {k: plain(v) for k, v in owner.items()} if isinstance(owner, Mapping) else owner


@pytest.mark.parametrize("beside", [False, True])
def test_every_field_of_a_state_survives_a_checkpoint(tmp_path, beside):
    for cls, given in ((ClientState, CLIENT), (ServerState, SERVER), (Replica, REPLICA)):
        for field in fields(cls):
            assert field.name in given, f"{cls.__name__}.{field.name}: give it a value here"
            made = field.default_factory() if field.default_factory is not MISSING else None
            default = made if field.default in (MISSING, None) else field.default
            assert default is None or not same(given[field.name], default)
    clients = keep_clients({0: ClientState(**CLIENT)})
    state = State(ServerState(**SERVER), clients, Replica(**REPLICA), **BESIDE)
    before, path = plain(state), tmp_path / "state.pt"
    files = [tmp_path / "clients-000005.bin"] if beside else []
    state.save(path, {"note": [1, "two"]}, *files)
    loaded, extra = State.load(path, files)
    assert extra == {"note": [1, "two"]}
    assert same(plain(loaded), before)


def test_a_checkpoint_whose_clients_are_missing_is_refused(tmp_path):
    state = State(ServerState(**SERVER), keep_clients({0: ClientState(**CLIENT)}))
    state.save(tmp_path / "state.pt", {}, tmp_path / "clients-000005.bin")
    with pytest.raises(DamagedStateError, match=r"have \[0, 0\] of \[1, 1\] records"):
        State.load(tmp_path / "state.pt")
