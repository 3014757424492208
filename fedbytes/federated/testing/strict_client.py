"""A federation in memory that keeps what crossed, and clients that know nothing but their messages.

For tests and for `fedbytes check`: what the ledger says is held against the bytes, and what the
server believes its clients hold against what they can make of what they were sent.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fedbytes.compression.codec import make_codec
from fedbytes.compression.error_feedback import Held
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.federated.algorithm import ClientMemory
from fedbytes.federated.clock import Clock
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.channel import KIND_IDS, SERVER, Channel
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.protocol.messages import (
    frame_announcement,
    frame_vector,
    open_seed,
    open_vector,
)
from fedbytes.federated.round import run_round
from fedbytes.federated.state import State
from fedbytes.streams import stream


@dataclass
class Rehearsal:
    """A federation with its state, ledger and clock, and every byte string that crossed."""

    fed: Federation
    state: State
    ledger: Ledger = field(default_factory=Ledger)
    crossed: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.channel = Channel(self.ledger, self.deliver)

    def deliver(self, data: bytes) -> bytes:
        """Keep what crosses, and hand it on."""
        self.crossed.append(bytes(data))
        return data

    def go(self, rounds: int) -> "Rehearsal":
        """Run so many rounds."""
        for _ in range(rounds):
            run_round(self.state, self.fed, self.channel, Clock())
        return self


class StrictClient:
    """Knows the run's configuration and its own examples, and otherwise only what it is sent.

    Args:
        fed: the federation, with a model that no other party of the run uses.
        number: which client it is.
    """

    def __init__(self, fed: Federation, number: int) -> None:
        self.fed, self.number = fed, number
        self.held: Tensor | None = None
        self.memory: ClientMemory = {}
        self.residuals: dict[str, Held] = {}
        self.announced: dict[int, int] = {}

    def receive(self, data: bytes) -> None:
        """Take a message in; references are for codecs that are not rehearsed here."""
        fed, frame = self.fed, Frame.unpack(data)
        kind = {number: name for name, number in KIND_IDS.items()}[frame.kind]
        if kind == "seed":
            self.held = fed.algorithm.initial(fed.model, open_seed(frame))
        elif kind == "state" and fed.algorithm.downloads == "state":
            turn = fed.turn(frame.round, self.announced).of(self.number)
            shared = fed.shared_down(turn, None)
            self.held = open_vector(frame, fed.downlink.codec, shared)
        elif kind == "state":
            shared = Shared(fed.layout, seed=fed.seed, round=frame.round, sender=SERVER)
            self.held = open_vector(frame, make_codec("fp32"), shared)
        elif kind == "update":
            if self.held is None:
                raise ValueError(f"client {self.number} was sent an update of nothing")
            turn = fed.turn(frame.round)
            update = open_vector(frame, fed.downlink.codec, fed.shared_down(turn, None))
            self.held = fed.algorithm.apply(turn, self.held, update)

    def send(self, round_: int) -> list[bytes]:
        """Take the client's turn; return what it announces, if anything, and its delta."""
        fed, turn = self.fed, self.fed.turn(round_, self.announced).of(self.number)
        if self.held is None:
            raise ValueError(f"client {self.number} takes part and was sent nothing")
        rng = stream(fed.seed, "batches", round_, self.number)
        part = fed.parts[self.number]
        trained = fed.algorithm.train(turn, self.held.clone(), part, self.memory, rng)
        self.memory = trained.memory or self.memory
        messages = []
        if trained.announces is not None:
            before = fed.shared_up(turn, None)
            messages.append(frame_announcement(trained.announces, before).pack())
            self.announced[self.number] = trained.announces
            turn = turn.heard(self.number, trained.announces)
        shared = fed.shared_up(turn, None)
        slot = fed.slot(self.number, shared.layout)
        sent = fed.uplink.encode(trained.delta, self.residuals.get(slot, {}), shared)
        self.residuals[slot] = sent.held
        messages.append(frame_vector("delta", fed.uplink.codec, shared, sent.data).pack())
        return messages


def follow(run: Rehearsal, clients: list[StrictClient], rounds: int) -> None:
    """Run rounds while clients follow by their messages.

    Raises:
        ValueError: if a client that was sent to does not hold what the server believes, or sends
            another message than the one that crossed.
    """
    for _ in range(rounds):
        believed, entries, first = run.state.model, len(run.ledger.entries), len(run.crossed)
        run.go(1)
        new = zip(run.ledger.entries[entries:], run.crossed[first:], strict=True)
        announced: list[bytes] = []
        for entry, data in new:
            client = clients[entry.client]
            if entry.direction == "down":
                client.receive(data)
            elif entry.kind == "announcement":
                announced.append(data)
            elif entry.kind == "delta":
                _agree(run, client, believed, [*announced, data])
                announced.clear()


def _agree(run: Rehearsal, client: StrictClient, believed: Tensor, sent: list[bytes]) -> None:
    where = f"round {run.state.round}, client {client.number}"
    kept = run.fed.algorithm.downloads == "updates"
    if kept and (client.held is None or not torch.equal(client.held, believed)):
        raise ValueError(f"{where} holds something else than the server believes")
    if client.send(run.state.round) != sent:
        raise ValueError(
            f"{where} sends something else when it knows only its messages, its memory and its "
            "examples: something reaches it past the channel"
        )
