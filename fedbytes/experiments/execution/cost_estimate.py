"""Estimates what a sweep will cost before it runs: bytes, time and memory per run.

A trial trains one client, or those that train side by side, and evaluates (see `cost_trial`); a
message of each kind is made. Where privacy, attacks, defences or audits act, so is a round of each
kind without training (see `stage_trial`). Their times are scaled up, and bytes follow from what the
client would send (see `traffic_forecast`). Frozen layers' states are kept on disk by a trial, as by
a run, so that the sweep finds them there.
"""

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from time import perf_counter

import torch
from torch import nn

from fedbytes.arrays import Int64s
from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.evaluation.evaluation_work import count_evaluations, count_own_models
from fedbytes.experiments.execution.costs.cost_trial import CostTrial, count_batches, make_trial
from fedbytes.experiments.execution.costs.stage_trial import has_stages, stage_seconds
from fedbytes.experiments.execution.run_setup import Problem, make_problem, own_tests_of
from fedbytes.experiments.execution.traffic_forecast import NO_EVALUATIONS, Evaluations, foretell
from fedbytes.experiments.store.provenance import (
    forget_peak_memory,
    peak_gpu_bytes,
    peak_memory_bytes,
)
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.stages.privacy_account import privacy_note


@dataclass(frozen=True)
class Estimate:
    """The cost of one run on one worker.

    Attributes:
        run: its id.
        up_bytes, down_bytes: of messages.
        setup_seconds: loading texts and model, and splitting.
        train_seconds: of all clients in all rounds, as long as the run waits for them.
        codec_seconds: of encoding and decoding all messages, of sums in secret those that go down.
        evaluate_seconds: of all evaluations.
        memory_bytes: the largest resident size of its process, which is also that of the runs
            before it where they needed more; of all its processes, where clients train in several.
        gpu_bytes: the most that tensors of all its processes take on GPUs, None without one.
        note: how strong the noise of its privacy is, None where it adds none.
        stage_seconds: of what else acts in its rounds: masks, ciphertexts, noise, attacks, defences
            and audits.
        exact_bytes: whether the run's bytes are these; else they are those of messages as long as
            the trial's.
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
    stage_seconds: float = 0.0
    exact_bytes: bool = True

    @property
    def seconds(self) -> float:
        """All of them together."""
        inside = self.train_seconds + self.codec_seconds + self.stage_seconds
        return self.setup_seconds + inside + self.evaluate_seconds


def estimate(configs: Sequence[RunConfig], threads: int) -> list[Estimate]:
    """Return the cost of each run; models and texts are loaded, no run is stored."""
    torch.set_num_threads(threads)
    trials: dict[str, CostTrial] = {}
    stages: dict[str, float] = {}
    costs = []
    forget_peak_memory()
    for config in configs:
        start = perf_counter()
        problem = make_problem(config, Hooks())
        setup = perf_counter() - start
        parts = [config.task, config.model, config.adapter, config.algorithm, config.defense]
        at_once = min(int(config.clients_at_once), problem.federation.clients_per_round)
        key = json.dumps([*parts, at_once], sort_keys=True)
        if key not in trials:
            problem.model.prepare()
            trials[key] = make_trial(problem)
        fed, trial = problem.federation, trials[key]
        own, _ = own_tests_of(config, problem)
        said = _evaluations_of(config, problem, own)
        processes = config.workers_per_run
        trainings = count_trainings(fed, config.rounds, trial.clients, trial.batches)
        up, down, codec_seconds, exact = foretell(fed, config.rounds, trial.sent, said)
        beside = max(0.0, _stages_of(config, problem, trial, stages) - codec_seconds)
        evaluations = -(-config.rounds // config.evaluate_every) + config.evaluate_start
        costs.append(
            Estimate(
                config.id,
                up,
                down,
                setup,
                trial.train_seconds * trainings / _speedup(fed, processes),
                codec_seconds,
                evaluations * _evaluation_seconds(problem, own, trial, processes),
                _memory_of_all(problem, processes, peak_memory_bytes()),
                gpu_bytes_of_all(peak_gpu_bytes(), processes, _bytes_on_gpu(problem.model.network)),
                privacy_note(fed),
                beside,
                exact,
            )
        )
    return costs


def _stages_of(
    config: RunConfig, problem: Problem, trial: CostTrial, known: dict[str, float]
) -> float:
    """Return the seconds of a run's rounds without training, 0 where they code messages alone.

    Args:
        config: of the run.
        problem: of it.
        trial: of its training.
        known: what other runs take, which a run has in common with one of another seed, but for
            what a process does once.
    """
    if not has_stages(problem.federation):
        return 0.0
    key = json.dumps(
        config.model_dump(mode="json", exclude={"declared", "seed", "split_seed"}), sort_keys=True
    )
    if key in known:
        return known[key]
    fed, every = problem.federation, config.evaluate_every
    known[key], once = stage_seconds(fed, config.rounds, every, trial.sent)
    return known[key] + once


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


def gpu_bytes_of_all(peak: int | None, processes: int, idle: int) -> int | None:
    """Return what tensors of a run's processes take on GPUs, where nothing is shared.

    Args:
        peak: of a process that trains and evaluates; None without a GPU.
        processes: that do.
        idle: of the run's own model, which rests where there are several.
    """
    if peak is None or processes == 1:
        return peak
    return processes * peak + idle


def _bytes_on_gpu(network: nn.Module) -> int:
    held = [*network.parameters(), *network.buffers()]
    return sum(tensor.nbytes for tensor in held if tensor.device.type == "cuda")


def _evaluation_seconds(
    problem: Problem, own: Sequence[Int64s], trial: CostTrial, processes: int
) -> float:
    """Return the seconds of all evaluations of one round."""
    fed, examples = problem.federation, len(problem.model.task.test)
    times = count_evaluations(fed, examples, own, problem.probes, processes)
    return times * trial.evaluate_seconds + count_own_models(fed, own) * trial.own_seconds


def _evaluations_of(config: RunConfig, problem: Problem, tests: Sequence[Int64s]) -> Evaluations:
    """Return what a run's clients will send of their own tests; nothing unless it is wanted."""
    if config.evaluate_clients != "sent":
        return NO_EVALUATIONS
    last, every = config.rounds, config.evaluate_every
    rounds = [round_ for round_ in range(1, last + 1) if round_ % every == 0 or round_ == last]
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


def count_trainings(fed: Federation, rounds: int, clients: int, batches: int) -> float:
    """Return all trainings of a run as a multiple of one of some clients together.

    Clients that pass over their examples work as long as they have batches. Where texts travel,
    one model learns from all.

    Args:
        fed: the run's federation.
        rounds: of the run.
        clients: how many trained together.
        batches: how many all of them have in a pass over their examples.
    """
    together = fed.algorithm.travels == "texts"
    if getattr(fed.algorithm, "local_epochs", None) is None:
        if together:
            return rounds
        return rounds * fed.clients_per_round / clients
    each = [count_batches(fed, [client]) for client in range(len(fed.parts))]
    if together:
        return rounds * sum(each) / max(batches, 1)
    drawn = (client for round_ in range(1, rounds + 1) for client in fed.context(round_).clients)
    return sum(each[client] for client in drawn) / max(batches, 1)
