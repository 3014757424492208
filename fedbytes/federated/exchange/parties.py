"""A client and a server as their aggregation sees them."""

from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from fedbytes.compression.error_feedback import SenderState
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import Integers
from fedbytes.federated.algorithm import ClientMemory, Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import Link


class Kept(NamedTuple):
    """What a client keeps from round to round, by which it knows what has arrived of it."""

    sender: SenderState
    memory: ClientMemory


class Sender(Protocol):
    """A client as its aggregation sees it (`fedbytes.federated.Client`)."""

    number: int

    @property
    def context(self) -> RoundContext:
        """The round as the client knows it."""

    @property
    def examples(self) -> int:
        """How many training examples the client has."""

    def shared(self, exact: bool = False) -> Shared:
        """Return what both ends know of the client's message; without a reference if `exact`."""

    def announcement(self, trained: Trained) -> list[bytes]:
        """Return the message of the number that the client announces, if it does."""

    def delta(self, delta: Tensor, weight: float = 1.0) -> bytes:
        """Return the message of `weight` times a delta, through the uplink and its memory."""

    def metrics(self, loss: float) -> bytes:
        """Return the message of the client's number of examples and its training loss."""

    def report(self, loss: float) -> list[bytes]:
        """Return the message of the client's metrics, none where they are private."""

    @property
    def sums(self) -> IntegerSums:
        """How the round's deltas become integers that add."""

    @property
    def held(self) -> Tensor:
        """What the client holds in step with the others `[synced_layout.numel]`."""

    def move_by(self, update: Tensor) -> None:
        """Move what the client holds by the update that the round ends with."""

    def integers(
        self, delta: Tensor, weight: float = 1.0, sums: IntegerSums | None = None
    ) -> Integers:
        """Return the integers of `weight` times a delta, through the uplink and its memory.

        Args:
            delta: `[up.numel]`.
            weight: of the client.
            sums: how they are made, where the round has agreed on another range.
        """

    def outgoing(self, delta: Tensor) -> Tensor:
        """Return what the uplink's memory makes of a delta, which is what is encoded of it."""

    def kept(self) -> Kept:
        """Return what the client keeps of this round and of those before."""

    def keep(self, kept: Kept) -> None:
        """Have the client keep what `kept` returned."""

    def keep_back(self, delta: Tensor) -> None:
        """Have the client keep what it does if nothing of its round ever arrives.

        Error feedback holds the delta in the residual. Without it the delta is lost, and so the
        algorithm's memory is as it was before the round.
        """

    def private_rng(self, purpose: str) -> np.random.Generator:
        """Return randomness of the client alone in this round, which no message tells of."""


class Receiver(Protocol):
    """A server as its aggregation sees it (`fedbytes.federated.server.server.Server`)."""

    @property
    def context(self) -> RoundContext:
        """The round, with what clients have announced so far."""

    @property
    def takes_image(self) -> bool:
        """Whether the algorithm wants the mean as the uplink maps it (`Algorithm.takes_image`)."""

    @property
    def uplink(self) -> Link:
        """The link of clients' deltas."""

    @property
    def shared(self) -> Shared:
        """What both ends know of a message that the server sends in an exchange."""

    @property
    def examples(self) -> dict[int, int]:
        """The number of examples that each client has said it has, of those who have."""

    @property
    def sums(self) -> IntegerSums:
        """How the round's deltas become integers that add."""

    def shared_up(self, client: int) -> Shared:
        """Return what both ends know of a client's message."""

    def open(self, client: int, frame: Frame) -> Tensor:
        """Return the delta that a client's message stands for."""

    def open_integers(self, client: int, frame: Frame) -> Integers:
        """Return the integers in a client's message, whose codec adds; nothing is decoded."""
