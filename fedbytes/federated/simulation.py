"""A whole federation in one process: server, clients, the channel between them, and the ledger."""

from collections.abc import Callable, Mapping, Sequence

from fedbytes.compression.frame import Frame
from fedbytes.federated.clock import Clock
from fedbytes.federated.federation import Federation
from fedbytes.federated.local_clients import LocalClients
from fedbytes.federated.plugins.audit import Row
from fedbytes.federated.protocol.channel import Channel
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.protocol.messages import frame_evaluation, open_evaluation
from fedbytes.federated.round import run_round
from fedbytes.federated.server.round_report import RoundReport
from fedbytes.federated.server.server import Server
from fedbytes.federated.spread.spread_clients import SpreadClients
from fedbytes.federated.stages.attackers import Attackers
from fedbytes.federated.stages.auditors import Auditors
from fedbytes.federated.state import State, initial_state
from fedbytes.process.pool.worker_pool import WorkerPool

Measured = tuple[int, Sequence[float]]
"""A client's number of test examples, and its metrics on them."""


class Simulation:
    """A federation with its parties and its ledger, run round by round.

    Args:
        fed: the configuration that server and clients share.
        state: the state to resume from; by default the state before the first round.
        ledger: books what crosses; a new one by default.
        clock: counts seconds by phase; a new one by default.
        deliver: stands for the medium (see `Channel`).
        pool: workers that keep the same federation, for clients to train in; none by default.
    """

    def __init__(
        self,
        fed: Federation,
        state: State | None = None,
        *,
        ledger: Ledger | None = None,
        clock: Clock | None = None,
        deliver: Callable[[bytes], bytes] = bytes,
        pool: WorkerPool | None = None,
    ) -> None:
        self.fed, self.clock, self.pool = fed, clock or Clock(), pool
        self.ledger = Ledger() if ledger is None else ledger
        multicast = fed.broadcast == "multicast"
        self.channel = Channel(self.ledger, deliver, self.clock, multicast)
        self.state = initial_state(fed) if state is None else state

    @property
    def state(self) -> State:
        """The state of all parties; they change it in place."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self.server = Server(self.fed, state.server, self.clock)
        parties = self.fed, state.clients, state.replica, self.clock
        self.clients = SpreadClients(self.pool, *parties) if self.pool else LocalClients(*parties)
        self.attackers = Attackers(self.fed, state.attacks)
        self.auditors = Auditors(self.fed, state.audits)

    def run_round(self) -> RoundReport:
        """Run the next round."""
        report = run_round(self.server, self.clients, self.channel, self.attackers, self.auditors)
        self.clients.rest(report.round)
        return report

    def send_evaluations(self, measured: Mapping[int, Measured]) -> dict[int, Measured]:
        """Bring clients up to date, have each send what it measured, and return what arrived.

        Both ways it is priced, in the round that has ended; clients that are up to date need
        nothing when the next one begins.

        Args:
            measured: by client, how many examples and which metrics.
        """
        round_ = self.state.round
        self.server.open_evaluation()
        for client in measured:
            messages = self.server.messages_for(client)
            self.clients.receive(client, self.channel.down(round_, client, messages))
        found: dict[int, Measured] = {}
        for client, (examples, metrics) in measured.items():
            frame = frame_evaluation(examples, metrics, self.fed.shared(round_, client, None))
            for data in self.channel.up(round_, client, [frame.pack()]):
                found[client] = open_evaluation(Frame.unpack(data, round=round_, sender=client))
        self.clients.rest(round_)
        return found

    def audit(self) -> list[Row]:
        """Let audits examine the model; return what they found since the last call."""
        self.auditors.examine(self.state.round, self.state.model)
        return self.heard()

    def heard(self) -> list[Row]:
        """Return what audits have found since the last call."""
        return self.auditors.take_rows()
