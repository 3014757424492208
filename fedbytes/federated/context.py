"""Where in a run an algorithm is asked: the round, who takes part, and which client."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from fedbytes.compression.codec import Codec
from fedbytes.federated.trainable import Trainable
from fedbytes.streams import stream

SERVER_CLIENT = -1


@dataclass(frozen=True)
class RoundContext:
    """What both ends know without a message, and the numbers that clients announced by one.

    Attributes:
        model: the model, for its layout and for what both ends hold of it.
        seed: the run's seed.
        round: the round, from 1.
        clients: who takes part in the round, sorted; drawn from the seed.
        num_clients: how many clients hold examples, in all.
        client: which client it is of; -1 is the server.
        announced: the number that a client announced last, of those who ever did: of all on the
            server, and of itself alone for a client, which hears no other.
        uplink: the uplink's codec, for an algorithm that works on what it maps vectors to.
        num_examples: how many examples the clients hold, in all.
        senders: of how many clients the server opened a delta, when it combines; defences may
            hand on fewer uploads.
    """

    model: Trainable
    seed: int
    round: int
    clients: tuple[int, ...]
    num_clients: int
    client: int = SERVER_CLIENT
    announced: Mapping[int, int] = field(default_factory=dict)
    uplink: Codec | None = None
    num_examples: int = 0
    senders: int | None = None

    def for_client(self, client: int) -> "RoundContext":
        """Return the context of `client` in the same round."""
        own = {client: self.announced[client]} if client in self.announced else {}
        return replace(self, client=client, announced=own)

    def with_announcement(self, client: int, number: int) -> "RoundContext":
        """Return the same context after `client` announced a number."""
        return replace(self, announced={**self.announced, client: number})

    @property
    def announced_value(self) -> int:
        """What the client that it is of announced last; 0 if it never did."""
        return self.announced.get(self.client, 0)

    @property
    def place(self) -> int:
        """Which of the round's clients this one is, from 0."""
        return self.clients.index(self.client)

    def stream(self, purpose: str) -> np.random.Generator:
        """Return randomness that the server and every client of the round can draw."""
        return stream(self.seed, f"algorithm {purpose}", self.round)
