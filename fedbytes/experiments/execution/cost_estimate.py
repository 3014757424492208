"""Estimates what a sweep will cost before it runs: bytes and time per run.

One client's local training and one evaluation are run: their time is scaled up, and bytes follow
from what the client would send (see `traffic_forecast`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.run_setup import Problem, make_problem
from fedbytes.experiments.execution.traffic_forecast import Sample, after_a_round, foretell
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.state import State, initial_state


@dataclass(frozen=True)
class Estimate:
    """The cost of one run: message bytes of both directions, and seconds on one worker."""

    run: str
    up_bytes: int
    down_bytes: int
    seconds: float


WARM = 2.0
"""Seconds of an evaluation above which warm-up is negligible."""


@dataclass(frozen=True)
class _Trial:
    client_seconds: float
    evaluate_seconds: float
    sent: Sample


def estimate(configs: Sequence[RunConfig], threads: int) -> list[Estimate]:
    """Return the cost of each run; models and texts are loaded, nothing is stored."""
    torch.set_num_threads(threads)
    trials: dict[str, _Trial] = {}
    costs = []
    for config in configs:
        problem = make_problem(config, Hooks())
        parts = [config.task, config.model, config.adapter, config.algorithm]
        key = json.dumps(parts, sort_keys=True)
        if key not in trials:
            trials[key] = _measure(problem)
        fed, trial = problem.federation, trials[key]
        up, down = foretell(fed, config.rounds, trial.sent)
        evaluations = -(-config.rounds // config.evaluate_every) + config.evaluate_start
        steps = config.rounds * fed.clients_per_round
        seconds = steps * trial.client_seconds + evaluations * trial.evaluate_seconds
        costs.append(Estimate(config.id, up, down, seconds))
    return costs


def _measure(problem: Problem) -> _Trial:
    """Train one client in round 1 and, unless that is slow, another in round 2."""
    fed = problem.federation
    found: list[_Trial] = []
    for _ in range(2):  # the first warms up caches and kernels
        state = initial_state(fed)
        if found:
            if found[0].evaluate_seconds > WARM:
                break
            state.server.model, state.server.round = after_a_round(fed, found[0].sent), 1
        start = perf_counter()
        trained = train_first_client(fed, state)
        middle = perf_counter()
        problem.model.evaluate()
        spent = middle - start, perf_counter() - middle
        found.append(_Trial(*spent, Sample.of(trained.delta)))
    return found[-1]


def train_first_client(fed: Federation, state: State) -> Trained:
    """Bring the next round's first client up to date, and let it train; nothing is sent up."""
    run = Simulation(fed, state)
    client = run.server.open_round().clients[0]
    run.clients.receive(client, [m.data for m in run.server.messages_for(client)])
    return run.clients[client].train(run.server.context)
