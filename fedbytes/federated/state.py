"""Everything that one round hands to the next; saved and loaded, a run resumes bit for bit."""

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fedbytes.federated.client import ClientState
from fedbytes.federated.federation import Federation
from fedbytes.federated.plugins.stage_context import PluginState
from fedbytes.federated.replica import Replica
from fedbytes.federated.server.server_state import ServerState
from fedbytes.federated.stages.server_defenses import begin
from fedbytes.process.disk_errors import replaced_file

_FORMAT = 2
"""Of a saved state. Version 0.1.0 saved one flat dictionary without a format; it is still read."""


_BESIDE = ("attacks", "audits")
"""What states of this format may lack: it came after the format."""


class DamagedStateError(ValueError):
    """A saved state is cut or altered."""


@dataclass
class State:
    """The state of a federation: the server's, each client's, and what clients hold in step.

    `attacks` and `audits` are the states of those plug-ins, by their stage.
    """

    server: ServerState
    clients: dict[int, ClientState] = field(default_factory=dict)
    replica: Replica = field(default_factory=Replica)
    attacks: dict[str, PluginState] = field(default_factory=dict)
    audits: dict[str, PluginState] = field(default_factory=dict)

    @property
    def model(self) -> Tensor:
        """What every client holds that has received all updates `[synced_layout.numel]`."""
        return self.server.model

    @property
    def round(self) -> int:
        """Rounds made."""
        return self.server.round

    def save(self, path: Path, extra: dict[str, Any]) -> None:
        """Write the state and `extra` (plain values) to `path`, whole or not at all.

        Raises:
            DiskError: if the disk is full or may not be written.
        """
        saved = {
            "format": _FORMAT,
            "server": vars(self.server),
            "clients": {number: vars(client) for number, client in self.clients.items()},
            "replica": vars(self.replica),
            "attacks": self.attacks,
            "audits": self.audits,
            "extra": extra,
        }
        remedy = "free some space, then run the same again"
        with replaced_file(path, remedy) as part, part.open("wb") as file:
            torch.save(saved, file)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> tuple["State", dict[str, Any]]:
        """Read what `save` wrote: the state and `extra`.

        Raises:
            ValueError: if another version of fedbytes wrote it that this one cannot read.
            DamagedStateError: if it is cut or altered.
        """
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            extra = saved.pop("extra")
        except Exception as error:  # torch and pickle raise many unrelated types
            raise DamagedStateError(f"{path.name} is cut or altered") from error
        version = saved.pop("format", 1)
        if version == 1:
            saved = _from_flat(path, saved)
        elif version != _FORMAT:
            raise _unknown(path, f"checkpoint format {version}")
        try:
            clients = {number: ClientState(**kept) for number, kept in saved["clients"].items()}
            server, replica = ServerState(**saved["server"]), Replica(**saved["replica"])
            state = cls(server, clients, replica, *(saved.get(key, {}) for key in _BESIDE))
        except (TypeError, KeyError) as error:
            raise _unknown(path, str(error)) from None
        return state, extra


def initial_state(fed: Federation) -> State:
    """Return the state before the first round: what the server begins with, and nobody reached."""
    model = begin(fed, fed.algorithm.initial(fed.model, fed.seed))
    return State(ServerState(model, synced=[-1] * len(fed.parts)))


def _unknown(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{path} was written by another version of fedbytes ({why}): finish the run with that, or "
        f"delete {path.parent} to start it anew"
    )


@dataclass
class _Flat:
    """The state as version 0.1.0 saved it, server and clients in one."""

    model: Tensor
    synced: list[int]
    round: int
    server: dict[str, Tensor]
    updates: list[bytes]
    previous: Tensor | None
    reference: Tensor | None
    reference_before: Tensor | None
    down_memories: dict[str, dict[str, Tensor]]
    up_memories: dict[str, dict[str, Tensor]]
    up_estimates: dict[str, Tensor]
    client_memory: dict[int, dict[str, Tensor]]
    encode_seconds: float
    guards: dict[str, dict[str, Any]]
    announced: dict[int, int] = field(default_factory=dict)


def _from_flat(path: Path, saved: dict[str, Any]) -> dict[str, Any]:
    """Return a saved state of version 0.1.0 as this version saves it."""
    unknown = set(saved) - {f.name for f in fields(_Flat)}
    try:
        flat = _Flat(**saved)
    except TypeError as error:
        raise _unknown(path, f"unknown {sorted(unknown)}" if unknown else str(error)) from None
    clients = {
        number: ClientState(
            version=version,
            memory=flat.client_memory.get(number, {}),
            senders=_of_sender(flat.up_memories, number),
            guards=_of_sender(flat.guards, number),
            announced=flat.announced.get(number),
        )
        for number, version in enumerate(flat.synced)
    }
    server = ServerState(
        model=flat.model,
        synced=flat.synced,
        round=flat.round,
        optimizer=flat.server,
        updates=flat.updates,
        reference=flat.reference,
        senders=_of_sender(flat.down_memories, -1),
        guards=_of_sender(flat.guards, -1),
        estimates={
            number: estimates
            for number in clients
            if (estimates := _of_sender(flat.up_estimates, number))
        },
        announced=flat.announced,
        encode_seconds=flat.encode_seconds,
    )
    replica = Replica()
    if flat.previous is not None:
        replica = Replica(flat.round - 1, flat.previous, flat.reference_before)
    return {
        "server": vars(server),
        "clients": {number: vars(client) for number, client in clients.items()},
        "replica": asdict(replica),
    }


def _of_sender(kept: dict[str, Any], sender: int) -> dict[str, Any]:
    """Return what is kept of one sender: keys were its number, and a layout's digest if unusual."""
    found = {}
    for key, value in kept.items():
        number, _, digest = key.partition(" ")
        if int(number) == sender:
            found[digest] = value
    return found
