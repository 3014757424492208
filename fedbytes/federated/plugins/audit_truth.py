"""What scores an audit: who trains on which texts. No adversary has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fedbytes.federated.plugins.planted_rows import PlantedRows


@dataclass(frozen=True)
class AuditTruth:
    """The texts of clients, against which an audit's guesses are scored.

    An audit that makes a guess from it, instead of scoring one, says nothing of what leaks.

    Attributes:
        own: the training rows of each client, int64.
        held_out: rows of each client's that nobody trains on, int64; empty arrays without any.
        planted: what attackers train on instead of their own.
        read: by client, the rows that its training read, an array for each batch; of those that
            have trained in this round so far, where an audit is scored by them.
    """

    own: Sequence[np.ndarray]
    held_out: Sequence[np.ndarray] = ()
    planted: PlantedRows | None = None
    read: Mapping[int, Sequence[np.ndarray]] = field(default_factory=dict)

    def trained(self, client: int, round_: int) -> np.ndarray:
        """Return the rows that a client trains on in a round, before it cleans them, int64."""
        own = self.own[client]
        return own if self.planted is None else self.planted.held(client, round_, own)

    def read_by(self, client: int) -> np.ndarray:
        """Return the different rows that a client's training read in the round, sorted."""
        batches = self.read.get(client, ())
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *batches]))

    def set_aside(self, client: int) -> np.ndarray:
        """Return the client's rows that nobody trains on, int64."""
        return self.held_out[client] if len(self.held_out) else np.zeros(0, dtype=np.int64)

    @property
    def victims(self) -> list[int]:
        """The clients that have both, ascending."""
        clients = range(len(self.own))
        return [one for one in clients if len(self.own[one]) and len(self.set_aside(one))]
