"""Where in a run an algorithm is asked: the round, who takes part, and whose turn it is."""

from dataclasses import dataclass, replace

import numpy as np

from fedbytes.federated.model import Trainable
from fedbytes.streams import stream

SERVER_TURN = -1


@dataclass(frozen=True)
class Turn:
    """What both ends know without a message, since the seed or the round tells it.

    Attributes:
        model: the model, for its layout and for what both ends hold of it.
        seed: the run's seed.
        round: the round, from 1.
        clients: who takes part in the round, sorted; drawn from the seed.
        num_clients: how many clients hold examples, in all.
        client: whose turn it is; -1 is the server.
    """

    model: Trainable
    seed: int
    round: int
    clients: tuple[int, ...]
    num_clients: int
    client: int = SERVER_TURN

    def of(self, client: int) -> "Turn":
        """Return the turn of `client` in the same round."""
        return replace(self, client=client)

    @property
    def place(self) -> int:
        """Which of the round's clients this one is, from 0."""
        return self.clients.index(self.client)

    def stream(self, purpose: str) -> np.random.Generator:
        """Return randomness that the server and every client of the round can draw."""
        return stream(self.seed, f"algorithm {purpose}", self.round)
