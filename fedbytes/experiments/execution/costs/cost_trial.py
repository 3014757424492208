"""The trial that a run's cost is estimated from: local training of a few clients, an evaluation."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from time import perf_counter

from fedbytes.experiments.evaluation.client_models import ClientModels
from fedbytes.experiments.execution.run_setup import Problem
from fedbytes.experiments.execution.traffic_forecast import Sample, after_a_round
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.federation import Federation
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.stages.client_stages import protect
from fedbytes.federated.state import State, initial_state, state_with

WARM = 2.0
"""Seconds of an evaluation above which warm-up is negligible."""
LONG = 30.0
"""Seconds of a client's training above which it is."""
SEARCHED = 64
"""Rounds that are looked at for a full group of clients."""


@dataclass(frozen=True)
class CostTrial:
    """The training of one client, or of some side by side, and one evaluation.

    It stands for runs with other splits, whose clients have other numbers: so it knows its own by
    what they did.

    Attributes:
        clients: how many trained together.
        batches: how many all of them have in a pass over their examples.
        train_seconds, evaluate_seconds: of both.
        own_seconds: of making the model that a client predicts with; 0 where all share one.
        sent: what the first one would encode.
    """

    clients: int
    batches: int
    train_seconds: float
    evaluate_seconds: float
    own_seconds: float
    sent: Sample


def make_trial(problem: Problem) -> CostTrial:
    """Train one client, or a group, in round 1 and, unless that is slow, one in round 2."""
    fed = problem.federation
    found: list[CostTrial] = []
    for _ in range(2):  # the first warms up caches and kernels
        evaluating = found[0].evaluate_seconds if found else 0.0
        if not found:
            state = initial_state(fed)
        elif found[0].train_seconds > LONG:
            break
        else:  # what defences do before the first round is not done twice
            state = state_with(fed, after_a_round(fed, found[0].sent))
            state.server.round = 1
        start = perf_counter()
        clients, trained = _train_first_group(fed, state)
        middle = perf_counter()
        if evaluating <= WARM:
            problem.model.evaluate()
            evaluating = perf_counter() - middle
        done = len(clients), count_batches(fed, clients)
        own = _own_model_seconds(problem, state)
        found.append(CostTrial(*done, middle - start, evaluating, own, Sample.of(trained.delta)))
    return found[-1]


def _train_first_group(fed: Federation, state: State) -> tuple[Sequence[int], Trained]:
    """Bring a coming round's first clients up to date, and let them train; nothing is sent up.

    Returns:
        who trained together, and what the first one would encode.
    """
    state.server.round = _fullest_round(fed, state.server.round + 1) - 1
    run = Simulation(fed, state)
    clients = run.server.open_round().clients[: fed.clients_at_once]
    for client in clients:
        run.clients.receive(client, [m.data for m in run.server.messages_for(client)])
    client, trained = run.clients.train_group(run.server.context, clients)[0]
    return clients, protect(fed, run.server.context.for_client(client), trained, {})


def _own_model_seconds(problem: Problem, state: State) -> float:
    """Return how long it takes to make the model that a client predicts with, such as by tuning."""
    fed = problem.federation
    if not fed.algorithm.has_own_models:
        return 0.0
    start = perf_counter()
    next(ClientModels(fed, state, problem.model).each())
    return perf_counter() - start


def _fullest_round(fed: Federation, first: int) -> int:
    """Return the first round that fills a group, or of many the one with most clients.

    Under Poisson sampling a round may have few, or none, and a larger group takes more memory.
    """
    most = fed.clients_per_round if fed.sampling == "fixed" else len(fed.holders)
    wanted, counts = min(fed.clients_at_once, most), dict[int, int]()
    for round_ in itertools.count(first):
        counts[round_] = len(fed.context(round_).clients)
        looked = len(counts) >= SEARCHED and any(counts.values())
        if looked or counts[round_] >= wanted:
            return max(counts, key=lambda one: counts[one])
    raise AssertionError("counting has no end")


def count_batches(fed: Federation, clients: Sequence[int]) -> int:
    """Return how many batches clients have in a pass over their examples."""
    size = getattr(fed.algorithm, "batch_size", 1)
    return sum(ceil(len(fed.parts[client]) / size) for client in clients)
