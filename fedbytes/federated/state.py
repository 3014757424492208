"""Everything that one round hands to the next; saved and loaded, a run goes on as if never cut."""

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fedbytes.compression.error_feedback import Held, Sent
from fedbytes.compression.residual_guard import ResidualGuard

_LATER = {"later": True}
"""Marks a field that checkpoints of earlier versions lack: its default is what they had."""


@dataclass
class State:
    """The state of a federation after `round` rounds.

    `model` is the vector that every client holds that has received all updates; `synced[c]` says
    how many of them client `c` has (-1: it has never been reached). `updates` are the payloads
    of the newest updates, oldest first, for clients that missed them; older ones are dropped as
    soon as sending them all would cost more than a whole state.
    """

    model: Tensor
    synced: list[int]
    round: int = 0
    server: dict[str, Tensor] = field(default_factory=dict)
    updates: list[bytes] = field(default_factory=list)
    previous: Tensor | None = None
    """The model before the newest update."""
    reference: Tensor | None = None
    """The newest update as clients decoded it; `reference_before` is the one before that."""
    reference_before: Tensor | None = None
    down_memories: dict[str, Held] = field(default_factory=dict)
    up_memories: dict[str, Held] = field(default_factory=dict)
    """What a sender keeps around its codec, the server and each client, by `Federation.slot`."""
    up_estimates: dict[str, Tensor] = field(default_factory=dict)
    """What the server keeps of each client where the uplink sends differences (EF21)."""
    client_memory: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    encode_seconds: float = 0.0
    """What encoding the newest update took; the ledger books it where it is first sent."""
    guards: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the guard against a diverging residual keeps of each sender (the server is -1)."""
    announced: dict[int, int] = field(default_factory=dict, metadata=_LATER)
    """The number that each client announced last, of those who ever did."""

    def guard(self, sender: str, update: Tensor, sent: Sent) -> None:
        """Check that the sender's error feedback stays bounded, where it has any.

        Raises:
            DivergedError: if it does not.
        """
        if sent.lost is None:
            return
        guard = ResidualGuard(**self.guards.get(sender, {}))
        guard.check(update, sent.lost)
        self.guards[sender] = asdict(guard)

    def save(self, path: Path, extra: dict[str, Any]) -> None:
        """Write the state and `extra` (plain values) to `path`, whole or not at all."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            torch.save(self.__dict__ | {"extra": extra}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> tuple["State", dict[str, Any]]:
        """Read what `save` wrote: the state and `extra`.

        Raises:
            ValueError: if another version of fedbytes wrote it.
        """
        saved = torch.load(path, map_location="cpu", weights_only=True)
        extra = saved.pop("extra")
        known = {f.name for f in fields(cls)}
        if set(saved) - known or {f.name for f in fields(cls) if not f.metadata} - set(saved):
            raise ValueError(
                f"{path} was written by another version of fedbytes: finish the run with that, or "
                f"delete {path.parent} to start it anew"
            )
        return cls(**saved), extra
