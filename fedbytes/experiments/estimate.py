"""What a sweep will cost, before it is made: runs, bytes and time.

Bytes follow the round's own rules and the clients that will really be sampled; only the length
of a message is assumed, that of a Gaussian vector through the same codec. Time is measured: one
client's local training and one evaluation, then scaled.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.experiments.config import RunConfig
from fedbytes.experiments.problem import Problem, make_problem
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.link import Link, make_link
from fedbytes.federated.messages import METRICS_BYTES, SEED_BYTES
from fedbytes.federated.round import Federation, sample_clients
from fedbytes.streams import stream


@dataclass(frozen=True)
class Estimate:
    """The cost of one run: message bytes of both directions, and seconds on one worker."""

    run: str
    up_bytes: int
    down_bytes: int
    seconds: float


@dataclass(frozen=True)
class _Pace:
    client_seconds: float
    evaluate_seconds: float


def estimate(configs: Sequence[RunConfig], threads: int) -> list[Estimate]:
    """Return the cost of each run; models and texts are loaded for it, nothing is stored."""
    torch.set_num_threads(threads)
    paces: dict[str, _Pace] = {}
    costs = []
    for config in configs:
        problem = make_problem(config, Hooks())
        parts = [config.task, config.model, config.adapter, config.algorithm]
        key = json.dumps(parts, sort_keys=True)
        if key not in paces:
            paces[key] = _measure(problem)
        fed, pace = problem.federation, paces[key]
        up, down = _bytes(fed, config.rounds)
        evaluations = -(-config.rounds // config.evaluate_every)
        steps = config.rounds * fed.clients_per_round
        seconds = steps * pace.client_seconds + evaluations * pace.evaluate_seconds
        costs.append(Estimate(config.id, up, down, seconds))
    return costs


def _measure(problem: Problem) -> _Pace:
    fed = problem.federation
    begin = fed.model.draw_initial(fed.seed)
    seconds = []
    for attempt in range(2):  # the first warms up caches and kernels
        start = perf_counter()
        client = sample_clients(fed, 1)[0]
        rng = stream(fed.seed, "estimate", attempt)
        fed.algorithm.client(fed.model, begin, fed.parts[client], {}, rng)
        middle = perf_counter()
        problem.model.evaluate()
        seconds.append(_Pace(middle - start, perf_counter() - middle))
    return seconds[-1]


def _bytes(fed: Federation, rounds: int) -> tuple[int, int]:
    up_message = _message_bytes(fed.uplink, fed) + METRICS_BYTES + HEADER_BYTES
    update = _message_bytes(fed.downlink, fed)
    whole = _message_bytes(make_link("fp32"), fed)
    first = SEED_BYTES + HEADER_BYTES if fed.initial == "seed" else whole
    synced: dict[int, int] = {}
    up = down = 0
    for round_ in range(1, rounds + 1):
        sent = set()
        for client in sample_clients(fed, round_):
            up += up_message
            missed = round_ - 1 - synced.get(client, 0)
            way = missed * update + (0 if client in synced else first)
            cost = min(way, max(whole, update)) if missed > 1 or client not in synced else way
            if fed.broadcast == "unicast" or cost not in sent:
                down += cost
            sent.add(cost)
            synced[client] = round_ - 1
    return up, down


def _message_bytes(link: Link, fed: Federation) -> int:
    rng = stream(0, "estimate")
    x = torch.from_numpy(rng.standard_normal(fed.layout.numel, dtype="float32"))
    return len(link.codec.encode(x, fed.shared(1, 0, None))) + HEADER_BYTES
