"""Everything that one round hands to the next; saved and loaded, a run resumes bit for bit."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fedbytes.federated.client.client_state import ClientState
from fedbytes.federated.client_memory.kept_by_client import KeptByClient
from fedbytes.federated.client_memory.memory_room import MemoryRoom, memory_limit
from fedbytes.federated.client_memory.segments import read_segment, write_segment
from fedbytes.federated.federation import Federation
from fedbytes.federated.old_states.flat_state import from_flat, unknown_state
from fedbytes.federated.plugins.stage_context import PluginState
from fedbytes.federated.population.sent_versions import SentVersions
from fedbytes.federated.replica import Replica
from fedbytes.federated.server.server_state import ServerState
from fedbytes.federated.stages.server_defenses import begin
from fedbytes.process.disk_errors import replaced_file

_FORMAT = 2
"""Of a saved state in one file. Version 0.1.0 saved one flat dictionary without a format; it is
still read."""
_BESIDE_FILES = 3
"""Of a saved state whose clients are in files beside it."""

_REMEDY = "free some space, then run the same again"
_BESIDE = ("attacks", "audits")
"""What states of this format may lack: it came after the format."""


class DamagedStateError(ValueError):
    """A saved state is cut or altered."""


@dataclass
class State:
    """The state of a federation: the server's, each client's, and what clients hold in step.

    `attacks` and `audits` are the states of those plug-ins, by their stage. What is kept of
    clients takes `FEDBYTES_CLIENT_MEMORY_BYTES` of memory at most; the rest lies on disk.
    """

    server: ServerState
    clients: KeptByClient[ClientState] = field(default_factory=lambda: keep_clients({}))
    replica: Replica = field(default_factory=Replica)
    attacks: dict[str, PluginState] = field(default_factory=dict)
    audits: dict[str, PluginState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have all that is kept of clients share the memory for it."""
        room = MemoryRoom(memory_limit())
        for kept in self._kept:
            kept.room = room
            room.share(kept)

    @property
    def model(self) -> Tensor:
        """What every client holds that has received all updates `[synced_layout.numel]`."""
        return self.server.model

    @property
    def round(self) -> int:
        """Rounds made."""
        return self.server.round

    @property
    def _kept(self) -> tuple[KeptByClient[Any], ...]:
        return self.clients, self.server.estimates

    def spill_into(self, folder: Path) -> None:
        """Have what is kept of clients and does not fit into memory lie inside a folder."""
        if self.clients.room is not None:
            self.clients.room.spill_into(folder)

    def save(
        self,
        path: Path,
        extra: dict[str, Any],
        clients_file: Path | None = None,
        everything: bool = False,
    ) -> None:
        """Write the state and `extra` (plain values) to `path`, whole or not at all.

        Args:
            path: the file.
            extra: what is to be saved with it.
            clients_file: a new file for what has changed of clients since the last call, which
                is not written if nothing has; None to write all of them into `path`.
            everything: write all that is kept of clients there instead.

        Raises:
            DiskError: if the disk is full or may not be written.
        """
        if clients_file is None:
            clients: Any = {number: self._client(number) for number in self.clients}
            version, server = _FORMAT, self._plain_server()
        else:
            self._save_clients(clients_file, everything)
            clients = [len(kept) for kept in self._kept]
            version, server = _BESIDE_FILES, self._server_alone()
        saved = {
            "format": version,
            "server": server,
            "clients": clients,
            "replica": vars(self.replica),
            "attacks": self.attacks,
            "audits": self.audits,
            "extra": extra,
        }
        with replaced_file(path, _REMEDY) as part, part.open("wb") as file:
            torch.save(saved, file)
            file.flush()
            os.fsync(file.fileno())

    def _client(self, number: int) -> dict[str, Any]:
        kept = self.clients.peek(number)
        assert kept is not None
        return vars(kept)

    def _plain_server(self) -> dict[str, Any]:
        """Return all that the server keeps, as tensors and plain values."""
        server = self.server
        plain = {"synced": list(server.synced), "estimates": server.estimates.plain()}
        return {**vars(server), **plain}

    def _server_alone(self) -> dict[str, Any]:
        """Return what the server keeps without what it keeps of each client."""
        return {**vars(self.server), "synced": len(self.server.synced), "estimates": {}}

    def _save_clients(self, path: Path, everything: bool) -> None:
        reached, versions = self.server.synced.changes(everything)
        records = chain.from_iterable(kept.records(everything) for kept in self._kept)
        first = next(records, None)
        if first is None and not reached:
            return
        written = chain([] if first is None else [first], records)
        segment = write_segment(path, written, {"reached": reached, "versions": versions})
        for kept in self._kept:
            kept.saved(segment.places.get(kept.kind, {}))
        self.server.synced.settle()

    def live_bytes(self) -> int:
        """Return how many bytes of clients' files are in use."""
        return sum(kept.live_bytes() for kept in self._kept)

    @classmethod
    def load(cls, path: Path, clients_files: Sequence[Path] = ()) -> tuple["State", dict[str, Any]]:
        """Read what `save` wrote: the state and `extra`.

        Args:
            path: the file.
            clients_files: those that were written beside it, from the last with everything on.

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
            saved = from_flat(path, saved)
        elif version not in (_FORMAT, _BESIDE_FILES):
            raise unknown_state(path, f"checkpoint format {version}")
        try:
            state = cls._of(saved)
        except (TypeError, KeyError) as error:
            raise unknown_state(path, str(error)) from None
        if version == _BESIDE_FILES:
            state._restore(saved["clients"], clients_files)
        return state, extra

    @classmethod
    def _of(cls, saved: dict[str, Any]) -> "State":
        """Return the state of what a file holds; without clients if these are in others."""
        server, clients = dict(saved["server"]), saved["clients"]
        if isinstance(clients, list):
            server["synced"], clients = SentVersions.of_nobody(server["synced"]), {}
        elif isinstance(server["synced"], list):
            server["synced"] = SentVersions(server["synced"])
        server["estimates"] = KeptByClient("estimates", dict(server["estimates"]))
        made = keep_clients({number: ClientState(**kept) for number, kept in clients.items()})
        beside = (saved.get(key, {}) for key in _BESIDE)
        return cls(ServerState(**server), made, Replica(**saved["replica"]), *beside)

    def _restore(self, counts: list[int], clients_files: Sequence[Path]) -> None:
        """Take in what files hold of clients, whose records are read when they are asked for."""
        for path in clients_files:
            try:
                segment = read_segment(path)
            except ValueError as error:
                raise DamagedStateError(str(error)) from None
            for kept in self._kept:
                kept.restore(segment.places.get(kept.kind, {}))
            self.server.synced.restore(segment.beside["reached"], segment.beside["versions"])
        found = [len(kept) for kept in self._kept]
        if found != counts:
            raise DamagedStateError(f"the clients' files have {found} of {counts} records")


def initial_state(fed: Federation) -> State:
    """Return the state before the first round: what the server begins with, and nobody reached."""
    return state_with(fed, begin(fed, fed.algorithm.initial(fed.model, fed.seed)))


def state_with(fed: Federation, model: Tensor) -> State:
    """Return the state before the first round of a server that begins with `model`."""
    return State(ServerState(model, SentVersions.of_nobody(len(fed.parts))))


def keep_clients(given: Mapping[int, ClientState]) -> KeptByClient[ClientState]:
    """Return the states of clients, by their numbers, as a state of all has them."""
    return KeptByClient("clients", given, ClientState.plain, lambda plain: ClientState(**plain))
