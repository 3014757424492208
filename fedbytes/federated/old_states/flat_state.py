"""The state as version 0.1.0 saved it, server and clients in one dictionary."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from fedbytes.federated.client.client_state import ClientState
from fedbytes.federated.client_memory.kept_by_client import KeptByClient
from fedbytes.federated.population.sent_versions import SentVersions
from fedbytes.federated.replica import Replica
from fedbytes.federated.server.server_state import ServerState


def unknown_state(path: Path, why: str) -> ValueError:
    """Return the error of a state that another version saved."""
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


def from_flat(path: Path, saved: dict[str, Any]) -> dict[str, Any]:
    """Return a saved state of version 0.1.0 as this version saves it."""
    unknown = set(saved) - {f.name for f in fields(_Flat)}
    try:
        flat = _Flat(**saved)
    except TypeError as error:
        raise unknown_state(path, f"unknown {sorted(unknown)}" if unknown else str(error)) from None
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
        synced=SentVersions(flat.synced),
        round=flat.round,
        optimizer=flat.server,
        updates=flat.updates,
        reference=flat.reference,
        senders=_of_sender(flat.down_memories, -1),
        guards=_of_sender(flat.guards, -1),
        estimates=KeptByClient(
            "estimates",
            {
                number: estimates
                for number in clients
                if (estimates := _of_sender(flat.up_estimates, number))
            },
        ),
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
