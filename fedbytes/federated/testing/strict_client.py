"""A simulation that keeps what crossed, and clients that know nothing but their messages.

For tests and for `fedbytes check`: what the ledger says is held against the bytes, and what the
server believes its clients hold against what they can make of what they were sent. A strict
client is a `Client` with a state, a replica and a model that it shares with nobody.
"""

import torch
from torch import Tensor

from fedbytes.federated.client import Client
from fedbytes.federated.federation import Federation
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


def replay(run: Rehearsal, clients: list[Client], rounds: int) -> None:
    """Run rounds while strict clients follow by their messages.

    Args:
        run: the simulation.
        clients: one for each of its clients, each of a federation with a model of its own.
        rounds: how many.

    Raises:
        ValueError: if a client that was sent to does not hold what the server believes, or sends
            another message than the one that crossed.
    """
    for _ in range(rounds):
        believed, entries, first = run.state.model, len(run.ledger.entries), len(run.crossed)
        run.go(1)
        new = zip(run.ledger.entries[entries:], run.crossed[first:], strict=True)
        sent: dict[int, list[bytes]] = {}
        for entry, data in new:
            if entry.direction == "down":
                clients[entry.client].receive([data])
            else:
                sent.setdefault(entry.client, []).append(data)
        for number, frames in sent.items():
            _compare(run, clients[number], believed, frames)


def _compare(run: Rehearsal, client: Client, believed: Tensor, sent: list[bytes]) -> None:
    where = f"round {run.state.round}, client {client.number}"
    held = client.replica.vector
    kept = run.fed.algorithm.downloads == "updates"
    if kept and (held is None or not torch.equal(held, believed)):
        raise ValueError(f"{where} holds something else than the server believes")
    if client.take_turn(client.fed.context(run.state.round)) != sent:
        raise ValueError(
            f"{where}: replaying this client from its messages gives other bytes; the algorithm "
            "uses data that was never sent"
        )
