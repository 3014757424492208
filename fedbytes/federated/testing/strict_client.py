"""A simulation that keeps what crossed, and clients that know nothing but their messages.

For tests and for `fedbytes check`: what the ledger says is held against the bytes, and what the
server believes its clients hold against what they can make of what they were sent. A strict
client is a `Client` with a state, a replica and a model that it shares with nobody.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from fedbytes.federated.algorithm import Trained
from fedbytes.federated.client.client import Client
from fedbytes.federated.federation import Federation
from fedbytes.federated.local_clients import LocalClients
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.state import State


class Rehearsal(Simulation):
    """A simulation that keeps every byte string that crossed, in `crossed`."""

    def __init__(self, fed: Federation, state: State | None = None) -> None:
        self.crossed: list[bytes] = []
        super().__init__(fed, state, deliver=self.deliver)

    def deliver(self, data: bytes) -> bytes:
        """Keep what crosses, and hand it on."""
        self.crossed.append(bytes(data))
        return data

    def go(self, rounds: int) -> "Rehearsal":
        """Run so many rounds."""
        for _ in range(rounds):
            self.run_round()
        return self


class Recorded(LocalClients):
    """The clients of a simulation, and in `log` what each received and sent, in order."""

    def __init__(self, clients: LocalClients) -> None:
        super().__init__(clients.fed, clients.states, clients.replica, clients.clock)
        self.log: list[tuple[str, int, list[bytes]]] = []

    def receive(self, client: int, frames: Iterable[bytes]) -> None:
        """Hand a client what it was sent, and keep it."""
        for frame in frames:
            super().receive(client, [frame])
            self.log.append(("receive", client, [frame]))

    def send(self, client: int, trained: Trained) -> list[bytes]:
        """Return a client's messages of the first exchange, and keep them."""
        self.log.append(("send", client, frames := super().send(client, trained)))
        return frames

    def answer(self, client: int) -> list[bytes]:
        """Return a client's messages of a further exchange, and keep them."""
        self.log.append(("answer", client, frames := super().answer(client)))
        return frames


def replay(run: Rehearsal, clients: list[Client], rounds: int) -> None:
    """Run rounds while strict clients follow by their messages, each round after it has ended.

    Args:
        run: the simulation.
        clients: one for each of its clients, each of a federation with a model of its own.
        rounds: how many.

    Raises:
        ValueError: if a client that was sent to does not hold what the server believes, or sends
            another message than the one that crossed.
    """
    for _ in range(rounds):
        believed, recorded = run.state.model, Recorded(run.clients)
        run.clients = recorded
        run.go(1)
        for step, number, frames in recorded.log:
            if step == "receive":
                clients[number].receive(frames)
            elif _own(run, step, clients[number], believed) != frames:
                raise ValueError(
                    f"round {run.state.round}, client {number}: replaying this client from its "
                    "messages gives other bytes; the algorithm or the aggregation uses data that "
                    "was never sent"
                )


def _own(run: Rehearsal, step: str, client: Client, believed: Tensor) -> list[bytes]:
    """Return what a strict client sends; ValueError if it holds what it should not."""
    if step == "answer":
        return client.answer()
    held = client.replica.vector
    kept = run.fed.algorithm.downloads == "updates"
    if kept and (held is None or not torch.equal(held, believed)):
        raise ValueError(
            f"round {run.state.round}, client {client.number} holds something else than the "
            "server believes"
        )
    return client.take_turn(client.fed.context(run.state.round))
