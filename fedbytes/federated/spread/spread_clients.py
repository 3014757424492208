"""The clients of a simulation, each of which trains in one of several processes."""

from collections.abc import Iterator, MutableMapping, Sequence
from time import perf_counter
from typing import Any

from torch import Tensor

from fedbytes.federated.algorithm import Trained
from fedbytes.federated.client.client_state import ClientState, LentClient
from fedbytes.federated.clock import Clock
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.local_clients import LocalClients
from fedbytes.federated.replica import Replica
from fedbytes.process.pool.worker_pool import PoolCall, WorkerPool

FEDERATION = "federation"
"""Where a worker keeps its federation."""
Held = tuple[int, Tensor | None]
"""The version that clients are kept in step with, and its vector."""
Found = tuple[list[tuple[int, Trained, dict[str, Any]]], float, float]
"""What each client's training gave and changed, and the seconds of all, of the wall and of the
process."""


class SpreadClients(LocalClients):
    """Clients that train in workers; they receive and send here, in their order.

    What a client's training follows from goes to a worker, and what it changes comes back: the
    bits are those of one process, however many workers there are.

    Args:
        pool: workers that keep the same federation.
        fed: the configuration that server and clients share.
        states: what each client keeps, changed in place.
        replica: what they hold.
        clock: counts their seconds together.
    """

    def __init__(
        self,
        pool: WorkerPool,
        fed: Federation,
        states: MutableMapping[int, ClientState],
        replica: Replica,
        clock: Clock,
    ) -> None:
        super().__init__(fed, states, replica, clock)
        self.pool = pool
        self._held: Held = (-1, None)

    def train(self, context: RoundContext) -> Iterator[tuple[int, Trained]]:
        """Yield each client of the round with what its training gave.

        Those that train at once do so in one worker, and at most twice as many groups are ahead as
        there are workers.
        """
        clients, size = context.clients, self.fed.clients_at_once
        groups = [clients[first : first + size] for first in range(0, len(clients), size)]
        found: Iterator[Found] = self.pool.map(
            train_clients, (self._call(context, group) for group in groups)
        )
        while True:
            start = perf_counter()
            done = next(found, None)
            if done is None:
                return
            told, seconds, process = done
            self.clock.spread("train", seconds, process, perf_counter() - start)
            for client, trained, state in told:
                self[client].take_back(context, state)
                yield client, trained

    def _call(self, context: RoundContext, group: Sequence[int]) -> PoolCall:
        """Return the arguments of `train_clients`, and what is common to those of a round."""
        lent = {client: self[client].lend() for client in group}
        announced = {c: context.announced[c] for c in group if c in context.announced}
        if self._held[1] is not self.replica.vector or self._held[0] != self.replica.version:
            self._held = (self.replica.version, self.replica.vector)
        return (context.round, announced, lent), self._held


def train_clients(
    kept: dict[str, Any],
    held: Held,
    round_: int,
    announced: dict[int, int],
    lent: dict[int, LentClient],
) -> Found:
    """Train clients in a worker.

    Args:
        kept: what the worker keeps.
        held: by all clients of the run.
        round_: the round.
        announced: the number that each of the clients announced last.
        lent: the clients.
    """
    fed, clock = kept[FEDERATION], Clock()
    clients = LocalClients(fed, {}, Replica(*held), clock)
    for client, one in lent.items():
        clients[client].borrow(one)
    context = fed.context(round_, announced)
    found = clients.train_group(context, [*lent])
    told = [(client, trained, clients[client].give_back()) for client, trained in found]
    return told, clock.seconds()["train"], (clock.process_seconds() or {})["train"]
