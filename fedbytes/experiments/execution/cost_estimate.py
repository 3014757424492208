"""Estimates what a sweep will cost before it runs: bytes, time and memory per run.

One client's local training, or that of the clients who train side by side, one evaluation and one
message of each kind are made, once more where the first time was cold; their times are scaled up,
and bytes follow from what the client would send (see `traffic_forecast`). Frozen layers' states are
kept on disk by a trial, as by a run, so that the sweep finds them there.
"""

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from time import perf_counter

import torch

from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.run_setup import Problem, make_problem, own_tests_of
from fedbytes.experiments.execution.traffic_forecast import (
    NO_EVALUATIONS,
    Evaluations,
    Sample,
    after_a_round,
    foretell,
)
from fedbytes.experiments.store.provenance import (
    forget_peak_memory,
    peak_gpu_bytes,
    peak_memory_bytes,
)
from fedbytes.federated.algorithm import Algorithm, Trained
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.stages.client_stages import protect
from fedbytes.federated.stages.privacy_account import privacy_note
from fedbytes.federated.state import State, initial_state


@dataclass(frozen=True)
class Estimate:
    """The cost of one run on one worker.

    Attributes:
        run: its id.
        up_bytes, down_bytes: of messages.
        setup_seconds: loading texts and model, and splitting.
        train_seconds: of all clients in all rounds, as long as the run waits for them.
        codec_seconds: of encoding and decoding all messages.
        evaluate_seconds: of all evaluations.
        memory_bytes: the largest resident size of its process, which is also that of the runs
            before it where they needed more; of all its processes, where clients train in several.
        gpu_bytes: the most that tensors on GPUs take, None without one.
        note: how strong the noise of its privacy is, None where it adds none.
    """

    run: str
    up_bytes: int
    down_bytes: int
    setup_seconds: float
    train_seconds: float
    codec_seconds: float
    evaluate_seconds: float
    memory_bytes: int
    gpu_bytes: int | None = None
    note: str | None = None

    @property
    def seconds(self) -> float:
        """All of them together."""
        parts = self.setup_seconds, self.train_seconds, self.codec_seconds, self.evaluate_seconds
        return sum(parts)


WARM = 2.0
"""Seconds of an evaluation above which warm-up is negligible."""
LONG = 30.0
"""Seconds of a client's training above which it is."""


@dataclass(frozen=True)
class _Trial:
    """The training of one client, or of some side by side, and one evaluation."""

    clients: tuple[int, ...]
    train_seconds: float
    evaluate_seconds: float
    sent: Sample


def estimate(configs: Sequence[RunConfig], threads: int) -> list[Estimate]:
    """Return the cost of each run; models and texts are loaded, no run is stored."""
    torch.set_num_threads(threads)
    trials: dict[str, _Trial] = {}
    costs = []
    forget_peak_memory()
    for config in configs:
        start = perf_counter()
        problem = make_problem(config, Hooks())
        setup = perf_counter() - start
        at_once = config.clients_at_once
        parts = [config.task, config.model, config.adapter, config.algorithm, at_once]
        key = json.dumps(parts, sort_keys=True)
        if key not in trials:
            problem.model.prepare()
            trials[key] = _measure(problem)
        fed, trial = problem.federation, trials[key]
        said = _evaluations_of(config, problem)
        processes = config.workers_per_run
        trainings = count_trainings(fed, config.rounds, *trial.clients)
        up, down, codec_seconds = foretell(fed, config.rounds, trial.sent, said)
        evaluations = -(-config.rounds // config.evaluate_every) + config.evaluate_start
        costs.append(
            Estimate(
                config.id,
                up,
                down,
                setup,
                trial.train_seconds * trainings / _speedup(fed, processes),
                codec_seconds,
                evaluations * trial.evaluate_seconds / processes,
                _memory_of_all(problem, processes, peak_memory_bytes()),
                peak_gpu_bytes(),
                privacy_note(fed),
            )
        )
    return costs


def _speedup(fed: Federation, processes: int) -> float:
    """Return by what factor clients are done sooner that train in so many processes.

    Those of a round do not divide evenly: of ten, four processes train three in turn. Clients that
    train at once stay in one process.
    """
    if fed.algorithm.travels == "texts":
        return 1.0
    groups = ceil(fed.clients_per_round / fed.clients_at_once)
    return groups / ceil(groups / processes)


def _memory_of_all(problem: Problem, processes: int, memory: int) -> int:
    """Return the memory of a run's processes, all of which read the same base model."""
    if processes == 1:
        return memory
    return memory + processes * max(0, memory - problem.model.info.setup_bytes)


def _evaluations_of(config: RunConfig, problem: Problem) -> Evaluations:
    """Return what a run's clients will send of their own tests; nothing unless it is wanted."""
    if config.evaluate_clients != "sent":
        return NO_EVALUATIONS
    last, every = config.rounds, config.evaluate_every
    rounds = [round_ for round_ in range(1, last + 1) if round_ % every == 0 or round_ == last]
    tests, _ = own_tests_of(config, problem)
    parts = problem.federation.parts
    clients = [c for c, own in enumerate(tests) if len(own) and len(parts[c])]
    metrics = 3 if problem.task.kind == "classification" else 2
    return Evaluations(rounds, clients, HEADER_BYTES + 8 + 4 * metrics)


def sweep_seconds(costs: Sequence[Estimate], workers: int) -> float:
    """Return how long workers take that are given runs in their order, each when it is free."""
    free = [0.0] * max(1, min(workers, len(costs)))
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost.seconds)
    return max(free)


def count_trainings(fed: Federation, rounds: int, *trained: int) -> float:
    """Return all trainings of a run as a multiple of those of the clients `trained` together.

    Clients that pass over their examples work as long as they have batches. Where texts travel,
    one model learns from all.
    """
    together = fed.algorithm.travels == "texts"
    if getattr(fed.algorithm, "local_epochs", None) is None:
        if together:
            return rounds
        return rounds * fed.clients_per_round / len(trained)
    batches = [_batches(fed.algorithm, len(part)) for part in fed.parts]
    known = max(sum(batches[client] for client in trained), 1)
    if together:
        return rounds * sum(batches) / known
    drawn = (client for round_ in range(1, rounds + 1) for client in fed.context(round_).clients)
    return sum(batches[client] for client in drawn) / known


def _batches(algorithm: Algorithm, examples: int) -> int:
    return ceil(examples / getattr(algorithm, "batch_size", 1))


def _measure(problem: Problem) -> _Trial:
    """Train one client, or a group, in round 1 and, unless that is slow, one in round 2."""
    fed = problem.federation
    found: list[_Trial] = []
    for _ in range(2):  # the first warms up caches and kernels
        state = initial_state(fed)
        evaluating = found[0].evaluate_seconds if found else 0.0
        if found:
            if found[0].train_seconds > LONG:
                break
            state.server.model, state.server.round = after_a_round(fed, found[0].sent), 1
        start = perf_counter()
        clients, trained = _train_first_group(fed, state)
        middle = perf_counter()
        if evaluating <= WARM:
            problem.model.evaluate()
            evaluating = perf_counter() - middle
        found.append(_Trial(clients, middle - start, evaluating, Sample.of(trained.delta)))
    return found[-1]


def _train_first_group(fed: Federation, state: State) -> tuple[tuple[int, ...], Trained]:
    """Bring the next round's first clients up to date, and let them train; nothing is sent up.

    Returns:
        who trained together, and what the first one would encode.
    """
    while not fed.context(state.server.round + 1).clients:
        state.server.round += 1
    run = Simulation(fed, state)
    clients = run.server.open_round().clients[: fed.clients_at_once]
    for client in clients:
        run.clients.receive(client, [m.data for m in run.server.messages_for(client)])
    client, trained = run.clients.train_group(run.server.context, clients)[0]
    return tuple(clients), protect(fed, run.server.context.for_client(client), trained, {})
