"""The server adds what clients send as integers, and decodes the sum once."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.summable import Integers, as_summable
from fedbytes.federated.aggregation import (
    AGGREGATIONS,
    Aggregation,
    refuse_unsummable,
    reported_examples,
)
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.exchange.parties import Receiver, Sender
from fedbytes.federated.exchange.sessions import ClientSession, ServerSession
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.link import Link
from fedbytes.federated.protocol.messages import frame_exchange

_LARGEST = struct.Struct("<Q")
"""The most examples that a client of the round has."""


@AGGREGATIONS.register("sum_then_decode")
@dataclass(frozen=True)
class SumThenDecode(Aggregation):
    """Messages of a codec that adds are summed as integers, and the sum alone is decoded.

    Secure aggregation and encryption need no more than this of a server, and FetchSGD works on
    the sum as it is. What the algorithm gets is one upload: the mean, with all examples.

    A mean weighted by examples needs the weights before rounding, as weighted integers would need
    log2 of the largest weight more bits each. So there is an exchange first: clients send their
    metrics and are told the most examples n_max that one of them has (a message down each), and
    each then sends n_i / n_max times its delta. Told the total in its place, each would send about
    1 / n of its delta, of which a grid known in advance has n times fewer levels. With `uniform`
    weights nothing needs to be told, and there is one exchange.
    """

    weights: Literal["examples", "uniform"] = "examples"
    """Of clients in the mean: by their examples, or all alike."""

    opens_each: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"weights": "uniform"})
    example_uplink: ClassVar[dict[str, Any]] = {"name": "fixed", "clip": 4.0, "bits": 16}

    @property
    def exchanges(self) -> int:
        """Two where clients are told the most examples, else one."""
        return 2 if self.weights == "examples" else 1

    @property
    def extra_bytes(self) -> tuple[int, int]:
        """The message down that says the most examples."""
        return 0, _LARGEST.size + HEADER_BYTES if self.weights == "examples" else 0

    def refuses(self, uplink: Link) -> str | None:
        """Return why the uplink's messages cannot be added, or None."""
        return refuse_unsummable(f"aggregation {self.name!r}", uplink)

    def client(self, sender: Sender) -> ClientSession:
        """Return a part that sends its share of the mean."""
        return _SendsShare(sender, self.weights)

    def server(self, receiver: Receiver) -> ServerSession:
        """Return a part that adds what arrives."""
        return _Adds(receiver, self.weights)


class _SendsShare(ClientSession):
    def __init__(self, sender: Sender, weights: str) -> None:
        self.sender, self.weights = sender, weights
        self.largest = 0

    def begin(self, trained: Trained) -> list[bytes]:
        if trained.announces is not None:
            raise ValueError("messages of clients that announce a layout of their own do not add")
        if self.weights == "examples":
            self.trained: Trained | None = trained
            return [self.sender.metrics(trained.loss)]
        return [self.sender.delta(trained.delta), *self.sender.report(trained.loss)]

    def receive(self, frame: Frame) -> None:
        (self.largest,) = _LARGEST.unpack(frame.payload)

    def answer(self) -> list[bytes]:
        assert self.trained is not None
        delta, self.trained = self.trained.delta, None  # sessions outlive the round
        return [self.sender.delta(delta, self.sender.examples / self.largest)]


class _Adds(ServerSession):
    def __init__(self, receiver: Receiver, weights: str) -> None:
        self.receiver, self.weights = receiver, weights
        self.senders: list[int] = []
        self.total: Integers | None = None
        self.newest: tuple[int, Integers] | None = None  # not added until another client's arrives
        self.largest = 0  # as clients are told it, also if whoever has it is dropped later

    def receive(self, client: int, frame: Frame) -> None:
        integers = self.receiver.open_integers(client, frame)
        if client in self.senders or (self.newest and self.newest[0] == client):
            raise ValueError(f"round {frame.round}: client {client} sent a second delta")
        self._add_newest()
        if self.total is not None and self.total.shape != integers.shape:
            raise ValueError(
                f"round {frame.round}: client {client} sent {integers.size} numbers, others "
                f"{self.total.size}: messages of unlike layouts do not add"
            )
        self.newest = client, integers

    def _add_newest(self) -> None:
        if self.newest is not None:
            client, integers = self.newest
            self.total = integers if self.total is None else self.total + integers
            self.senders.append(client)
            self.newest = None

    def forget(self, client: int) -> None:
        if self.newest and self.newest[0] == client:
            self.newest = None
        elif client in self.senders:  # what was added cannot be taken out again
            super().forget(client)

    def next_exchange(self) -> Sequence[int]:
        self.largest = max(self.receiver.examples.values(), default=0)
        return sorted(self.receiver.examples)

    def messages(self, client: int) -> list[bytes]:
        return [frame_exchange(_LARGEST.pack(self.largest), self.receiver.shared).pack()]

    def uploads(self) -> list[Upload]:
        self._add_newest()
        if self.total is None and not self.receiver.context.clients:
            return []  # nobody was drawn
        if self.total is None:
            raise ValueError("no client of the round sent its delta: there is nothing to add")
        codec = as_summable(self.receiver.uplink.codec)
        shared = self.receiver.shared_up(self.senders[0])
        image = codec.grid(shared).mean(self.total, len(self.senders))
        examples = sum(reported_examples(self.receiver, self.senders))
        if self.weights == "examples":
            # Told the most of all, clients that sent add up to less than one each.
            image *= len(self.senders) * self.largest / examples
        mean = image if self.receiver.takes_image else codec.recover(image, shared)
        return [Upload(-1, torch.from_numpy(mean), examples)]
