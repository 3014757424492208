"""A saved state is read as it was, whatever is in it."""

from dataclasses import MISSING, fields

import torch

from fedbytes.federated.client import ClientState
from fedbytes.federated.replica import Replica
from fedbytes.federated.server.server_state import ServerState
from fedbytes.federated.state import State
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
    "synced": [4, -1],
    "round": 5,
    "optimizer": {"velocity": torch.full((3,), 0.25)},
    "updates": [b"one", b"two"],
    "reference": torch.full((3,), 3.0),
    "senders": {"": {"residual": torch.full((3,), 4.0)}},
    "guards": {"": GUARD | {"rounds": 4}},
    "estimates": {0: {"": torch.full((3,), 5.0)}},
    "announced": {0: 7},
    "reported": {0: 11},
    "encode_seconds": 0.125,
    "defenses": {"defense 0 x": {"kept": torch.ones(1)}},
}
REPLICA = {"version": 5, "vector": torch.full((3,), 6.0), "reference": torch.full((3,), 7.0)}
BESIDE = {"attacks": {"attack 0 x": {"seen": 3}}, "audits": {"audit 0 y": {"heard": torch.ones(2)}}}


def plain(owner):
    """Return a dataclass's fields, and those of what it holds, as plain values."""
    if isinstance(owner, State):
        return {key: plain(value) for key, value in vars(owner).items()}
    if isinstance(owner, dict):
        return {key: plain(value) for key, value in owner.items()}
    return dict(vars(owner)) if isinstance(owner, ClientState | ServerState | Replica) else owner


def test_every_field_of_a_state_survives_a_checkpoint(tmp_path):
    for cls, given in ((ClientState, CLIENT), (ServerState, SERVER), (Replica, REPLICA)):
        for field in fields(cls):
            assert field.name in given, f"{cls.__name__}.{field.name}: give it a value here"
            made = field.default_factory() if field.default_factory is not MISSING else None
            default = made if field.default in (MISSING, None) else field.default
            assert default is None or not same(given[field.name], default)
    state = State(ServerState(**SERVER), {0: ClientState(**CLIENT)}, Replica(**REPLICA), **BESIDE)
    before = plain(state)
    state.save(tmp_path / "state.pt", {"note": [1, "two"]})
    loaded, extra = State.load(tmp_path / "state.pt")
    assert extra == {"note": [1, "two"]}
    assert same(plain(loaded), before)
