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

from fedbytes.compression.core import Layout, Shared
from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.experiments.config import RunConfig
from fedbytes.experiments.problem import Problem, make_problem
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.link import Link, make_link
from fedbytes.federated.messages import METRICS_BYTES, SEED_BYTES
from fedbytes.federated.round import Federation
from fedbytes.streams import stream


@dataclass(frozen=True)
class Estimate:
    """The cost of one run: message bytes of both directions, and seconds on one worker."""

    run: str
    up_bytes: int
    down_bytes: int
    seconds: float


WARM = 2.0
"""Seconds of an evaluation beside which warming up is nothing."""


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
        evaluations = -(-config.rounds // config.evaluate_every) + config.evaluate_start
        steps = config.rounds * fed.clients_per_round
        seconds = steps * pace.client_seconds + evaluations * pace.evaluate_seconds
        costs.append(Estimate(config.id, up, down, seconds))
    return costs


def _measure(problem: Problem) -> _Pace:
    fed = problem.federation
    turn = fed.turn(1)
    held = fed.algorithm.initial(fed.model, fed.seed)
    found: list[_Pace] = []
    for attempt in range(2):  # the first warms up caches and kernels
        if found and found[0].evaluate_seconds > WARM:
            break
        start = perf_counter()
        client = turn.clients[0]
        rng = stream(fed.seed, "estimate", attempt)
        begin = held
        if fed.algorithm.downloads == "state":
            begin = fed.algorithm.download(turn.of(client), held)
        fed.algorithm.train(turn.of(client), begin, fed.parts[client], {}, rng)
        middle = perf_counter()
        problem.model.evaluate()
        found.append(_Pace(middle - start, perf_counter() - middle))
    return found[-1]


def _bytes(fed: Federation, rounds: int) -> tuple[int, int]:
    lengths: dict[tuple[str, int], int] = {}

    def message(link: Link, layout: Layout) -> int:
        key = (repr(link), layout.digest)
        if key not in lengths:
            lengths[key] = _message_bytes(link, layout)
        return lengths[key]

    whole = message(make_link("fp32"), fed.layout)
    first = SEED_BYTES + HEADER_BYTES if fed.initial == "seed" else whole
    updates: list[int] = []
    synced: dict[int, int] = {}
    up = down = 0
    for round_ in range(1, rounds + 1):
        turn = fed.turn(round_)
        sent = set()
        for client in turn.clients:
            up += message(fed.uplink, fed.algorithm.up(turn.of(client)))
            up += METRICS_BYTES + HEADER_BYTES
            if fed.algorithm.downloads == "state":
                cost = message(fed.downlink, fed.algorithm.down(turn.of(client)))
            else:
                missed = updates[synced.get(client, 0) :]
                way = sum(missed) + (0 if client in synced else first)
                dear = len(missed) > 1 or client not in synced
                cost = min(way, max(whole, missed[-1] if missed else 0)) if dear else way
            if fed.broadcast == "unicast" or cost not in sent:
                down += cost
            sent.add(cost)
            synced[client] = round_ - 1
        if fed.algorithm.downloads == "updates":
            updates.append(message(fed.downlink, fed.algorithm.down(turn)))
    return up, down


def _message_bytes(link: Link, layout: Layout) -> int:
    x = torch.from_numpy(stream(0, "estimate").standard_normal(layout.numel, dtype="float32"))
    return len(link.codec.encode(x, Shared(layout, round=1))) + HEADER_BYTES
