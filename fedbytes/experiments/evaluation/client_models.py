"""Evaluates the models that clients predict with, on their own tests and on everybody's."""

from collections.abc import Iterator, Sequence
from typing import Any

from fedbytes.arrays import Int64s
from fedbytes.experiments.evaluation.client_metrics import mean_metrics
from fedbytes.federated.federation import Federation
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.spread.spread_evaluation import evaluate_spread
from fedbytes.federated.state import State
from fedbytes.models import TrainableModel
from fedbytes.streams import stream

Metrics = dict[str, float]
_FACTS = ("client", "examples")


def as_sent(simulation: Simulation, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what clients measured as the server hears it: sent, priced, and in float32.

    Args:
        simulation: between two rounds.
        rows: from `ClientModels.on_own_tests`.
    """
    names = [name for name in rows[0] if name not in _FACTS] if rows else []
    measured = {row["client"]: (row["examples"], [row[name] for name in names]) for row in rows}
    heard = simulation.send_evaluations(measured)
    return [
        {"client": client, "examples": examples, **dict(zip(names, metrics, strict=True))}
        for client, (examples, metrics) in heard.items()
    ]


class ClientModels:
    """The clients' models as of a round.

    Args:
        fed: the federation.
        state: of all parties.
        model: that of the federation, which takes on one client's vector after the other's.
        simulation: whose workers, if it has some, evaluate what all share.
    """

    def __init__(
        self,
        fed: Federation,
        state: State,
        model: TrainableModel,
        simulation: Simulation | None = None,
    ) -> None:
        self.fed, self.state, self.model, self.simulation = fed, state, model, simulation

    def load_shared(self) -> None:
        """Put what is held into the model."""
        self.fed.algorithm.load(self.model, self.state.model)

    def on_common_tests(self) -> Metrics:
        """Return the metrics on the server's test examples: of the model that all share, or means.

        Where there is no such model they are the means over the clients' own.
        """
        if self.fed.algorithm.shares_model:
            self.load_shared()
            run = self.simulation
            if run is not None and run.pool is not None:
                return evaluate_spread(run.pool, self.model, self.state.model, run.clock)
            return self.model.evaluate()
        found = [self.model.evaluate() for _ in self.each()]
        self.model.answers, self.model.right = [], None  # of the last client alone
        return mean_metrics(found)

    def on_own_tests(self, tests: Sequence[Int64s]) -> list[dict[str, Any]]:
        """Return one row per client that has test examples: how many, and its metrics on them."""
        return [
            {"client": client, "examples": len(tests[client])}
            | self.model.evaluate_rows(tests[client])
            for client in self.each()
            if len(tests[client])
        ]

    def each(self) -> Iterator[int]:
        """Yield each client that holds examples, with what it predicts with in the model."""
        fed, state = self.fed, self.state
        context = fed.context(max(state.round, 1), state.server.announced)
        for client in fed.population.holders.tolist():
            part, kept = fed.parts[client], state.clients.peek(client)
            memory = {} if kept is None else kept.memory
            again = (fed.batch_stream,) if fed.batch_stream else ()
            rng = stream(fed.seed, "own model", state.round, client, *again)
            own = fed.algorithm.own(context.for_client(client), state.model, part, memory, rng)
            if own is None:
                self.load_shared()
            else:
                self.model.set_state(own)
            yield client
