"""Tables of all algorithms: what each sends and keeps, measured, and what it can be joined with."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from torch import Tensor

from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, Compatibility, make_algorithm
from fedbytes.federated.federation import Federation
from fedbytes.federated.fit.link_fit import compatibility
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.testing.bench_federation import Workbench, find_model
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import examples_of

CLIENTS, FIRST, ROUNDS = 2, 2, 7
PAIRINGS = {
    "lossy uplink": Compatibility(up_name="topk", up_exact=False),
    "lossy downlink": Compatibility(down_name="topk", down_exact=False),
    "feedback up": Compatibility(up_name="topk", up_exact=False, up_feedback=True),
    "feedback down": Compatibility(down_name="topk", down_exact=False, down_feedback=True),
    "momentum up": Compatibility(up_momentum=True),
    "some clients": Compatibility(partial=True),
    "sums alone": Compatibility(aggregation="sum_then_decode", opens_each=False),
}


@dataclass(frozen=True)
class Measured:
    """What an algorithm sends and keeps on a tiny model, lossless and with all clients.

    Attributes:
        trained: numbers that are trained.
        up, down: payload bytes of vectors and seeds, a client and round, rounds 2 to 7.
        client, server: numbers kept from round to round, by name.
    """

    trained: int
    up: float
    down: float
    client: dict[str, int]
    server: dict[str, int]

    def share(self, payload: float) -> str:
        """Return a payload as a share of FedAvg's, which is one float32 for each number."""
        share = payload / (4 * self.trained + 4)  # the fp32 codec's checksum
        return f"{share:.2f}" if share >= 0.1 else f"{share:.2g}"


def measure(algorithm: Algorithm) -> Measured:
    """Run rounds of an algorithm on its tiny model and count what crossed and what was kept.

    Links are lossless, but for the uplink of an algorithm that names another as its example.
    """
    bench = Workbench(algorithm, find_model(algorithm))
    model = bench.make()
    fed = Federation(
        model=model,
        parts=np.array_split(np.arange(examples_of(model), dtype=np.int64), CLIENTS),
        algorithm=algorithm,
        uplink=make_link(algorithm.example_uplink),
        downlink=make_link("fp32"),
        clients_per_round=CLIENTS,
        aggregation=make_aggregation(algorithm.example_aggregation),
        texts=lambda client: [(f"the texts of client {client}",)],
    )
    run = Rehearsal(fed).go(ROUNDS)
    turns = CLIENTS * (ROUNDS - FIRST + 1)
    counted = {"up": 0, "down": 0}
    for entry in run.ledger.entries:
        if entry.round >= FIRST and entry.kind != "metrics":
            counted[entry.direction] += entry.payload_bytes
    return Measured(
        trained=model.layout.numel,
        up=counted["up"] / turns,
        down=counted["down"] / turns,
        client=_sizes(run.clients[0].state.memory),
        server=_sizes(run.state.server.optimizer),
    )


def overview() -> str:
    """Return the table of all algorithms, in Markdown."""
    rows = ["| algorithm | what it is | up | down | a client keeps | the server keeps | paper |"]
    rows.append("|---|---|---|---|---|---|---|")
    for label, algorithm in configured():
        found = measure(algorithm)
        cells = [
            f"`{label}`",
            what_it_is(type(algorithm)),
            found.share(found.up),
            found.share(found.down),
            _kept(found.client, found.trained),
            _kept(found.server, found.trained),
            ", ".join(papers(type(algorithm))),
        ]
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows)


def pairs() -> str:
    """Return the table of what each algorithm can be joined with, and why not, in Markdown."""
    rows = [f"| algorithm | {' | '.join(PAIRINGS)} |", "|---" * (len(PAIRINGS) + 1) + "|"]
    reasons: list[str] = []
    for label, algorithm in configured():
        cells = []
        for case in PAIRINGS.values():
            reason = algorithm.refuses(_usual(case, algorithm))
            if reason is None:
                cells.append("yes")
                continue
            if reason not in reasons:
                reasons.append(reason)
            cells.append(f"no ({reasons.index(reason) + 1})")
        rows.append(f"| `{label}` | {' | '.join(cells)} |")
    rows += ["", *(f"{place}. {reason}" for place, reason in enumerate(reasons, 1))]
    return "\n".join(rows).rstrip()


def _usual(case: Compatibility, algorithm: Algorithm) -> Compatibility:
    """Return the case; where it says nothing of the uplink, with the algorithm's example."""
    aggregation = make_aggregation(algorithm.example_aggregation)
    usual = compatibility(
        make_link(algorithm.example_uplink), make_link("fp32"), False, aggregation
    )
    if case.opens_each:
        case = replace(case, aggregation=usual.aggregation, opens_each=usual.opens_each)
    if case.up_name != "fp32" or case.up_momentum:
        return case
    return replace(
        case,
        up_name=usual.up_name,
        up_exact=usual.up_exact,
        up_feedback=usual.up_feedback,
        up_one_map=usual.up_one_map,
    )


@cache
def configured() -> list[tuple[str, Algorithm]]:
    """Return our own algorithms as their examples configure them, each with a label."""
    return list(_configured())


def _configured() -> Iterator[tuple[str, Algorithm]]:
    for name in ALGORITHMS.names():
        cls = ALGORITHMS.get(name)
        if not cls.__module__.startswith("fedbytes."):
            continue  # a plug-in's, in this process
        for fields in cls.examples:
            yield _label(name, fields, cls.examples), make_algorithm(name, **fields)


def _label(name: str, fields: Mapping[str, Any], examples: tuple[dict[str, Any], ...]) -> str:
    """Return the name, with the fields that differ between its examples."""
    differ = {k: v for k, v in fields.items() if any(e.get(k) != v for e in examples)}
    return " ".join([name, *(f"{key}={value}" for key, value in differ.items())])


def _sizes(kept: Mapping[str, Tensor]) -> dict[str, int]:
    return {name: tensor.numel() for name, tensor in kept.items()}


def _kept(sizes: Mapping[str, int], trained: int) -> str:
    """Return names with their sizes in trained vectors, or in numbers where they are few."""
    found = []
    for name, size in sizes.items():
        times = size / trained
        few = f"{size} number{'s' * (size != 1)}"
        found.append(f"{name} {few if times < 0.1 else f'{times:.2g}×'}")
    return ", ".join(found) or "nothing"


def what_it_is(plugin: type) -> str:
    """Return the first line of a plug-in's description, without the paper."""
    text = " ".join((plugin.__doc__ or "").split("\n\n")[0].split())
    return re.sub(r"\s*\([^()]*\d{4}\.\d{4,5}[^()]*\)", "", text).removesuffix(".").strip()


def papers(plugin: type) -> list[str]:
    """Return links to the papers that a plug-in's description names."""
    numbers = dict.fromkeys(re.findall(r"\b(\d{4}\.\d{4,5})\b", plugin.__doc__ or ""))
    return [f"[{number}](https://arxiv.org/abs/{number})" for number in numbers]
