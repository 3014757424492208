"""Many clients in one process, which share one model and one replica."""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence

from torch import Tensor

from fedbytes.federated.algorithm import Trained
from fedbytes.federated.client.client import Client
from fedbytes.federated.client.client_state import ClientState
from fedbytes.federated.clock import Clock
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.opened_frames import OpenedFrames
from fedbytes.federated.replica import Replica
from fedbytes.federated.stages.hostile_training import trains_apart

_MOST_CLIENTS = 1024


class LocalClients:
    """The clients of a simulation: one model, one decoded version of what they hold.

    Args:
        fed: the configuration that server and clients share.
        states: what each client keeps, changed in place.
        replica: what they hold.
        clock: counts their seconds together.
    """

    def __init__(
        self,
        fed: Federation,
        states: MutableMapping[int, ClientState],
        replica: Replica,
        clock: Clock,
    ) -> None:
        self.fed, self.states, self.replica, self.clock = fed, states, replica, clock
        self._clients: dict[int, Client] = {}
        self._opened = OpenedFrames()

    def __getitem__(self, number: int) -> Client:
        if number not in self.states:
            self.states[number] = ClientState()
        if number not in self._clients:
            self._clients[number] = Client(
                self.fed,
                number,
                replica=self.replica,
                clock=self.clock,
                states=self.states,
                opened=self._opened,
            )
        return self._clients[number]

    def rest(self, round_: int) -> None:
        """Keep no frames, nothing of exchanges before `round_`, and of many clients states alone.

        What clients keep for further exchanges is no part of their states, and has no bound.
        """
        self._opened.forget()
        for client in self._clients.values():
            client.rest(round_)
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.clear()

    def receive(self, client: int, frames: Iterable[bytes]) -> None:
        """Hand a client what it was sent."""
        self[client].receive(frames)

    def train(self, context: RoundContext) -> Iterator[tuple[int, Trained]]:
        """Yield each client of the round with what its training gave.

        Each group trains when its first client is asked for, so that no more deltas are held at a
        time than train together; who needs all deltas together takes them as a list, with the same
        bits.
        """
        clients, size = context.clients, self.fed.clients_at_once
        for first in range(0, len(clients), size):
            yield from self.train_group(context, clients[first : first + size])

    def train_group(
        self, context: RoundContext, clients: Sequence[int]
    ) -> list[tuple[int, Trained]]:
        """Return clients of the round that train together, each with what its training gave.

        They follow from the configuration alone, so that a run that resumes has the same groups.
        """
        apart = {client for client in clients if trains_apart(self.fed, client)}
        together = [client for client in clients if client not in apart]
        if len(together) < 2:
            return [(client, self[client].train(context)) for client in clients]
        turns = [self[client].begin_training(context) for client in together]
        with self.clock.phase("train"):
            found = dict(zip(together, self.fed.algorithm.train_many(turns), strict=True))
        return [
            (client, self[client].train(context))
            if client in apart
            else (client, self[client].end_training(found[client]))
            for client in clients
        ]

    def send(self, client: int, trained: Trained) -> list[bytes]:
        """Return a client's messages of the first exchange."""
        return self[client].send(trained)

    def answer(self, client: int) -> list[bytes]:
        """Return a client's messages of a further exchange."""
        return self[client].answer()

    def opened(self, context: RoundContext) -> tuple[list[Upload], float | None] | None:
        """Return the round's uploads and mean loss as its first client opened them.

        None where the server does. Nothing crosses: a simulation evaluates at this client.
        """
        return self[context.clients[0]].opened if self.fed.aggregation.clients_open else None

    def agree(self, client: int, announced: int | None, estimates: dict[str, Tensor]) -> None:
        """Have a hostile client go by what the server heard of it.

        What it put on the wire may say otherwise than what it trained, or have been dropped. The
        server goes on from what it heard, and a hostile client knows.

        Args:
            client: who sent bytes of its own.
            announced: the number that it announced last, if it ever did.
            estimates: what the server keeps of it where the uplink sends differences (EF21).
        """
        state = self[client].state
        state.announced = announced
        if self.fed.uplink.estimates:
            for key, kept in state.senders.items():
                others = {name: kept[name] for name in kept if name != "estimate"}
                known = {"estimate": estimates[key]} if key in estimates else {}
                state.senders[key] = others | known
