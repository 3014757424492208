"""The contract of every aggregation, as checks that also run on plug-ins of your own."""

import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedbytes.federated.aggregation import AGGREGATIONS, DECODE_EACH, Aggregation
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.client.client import Client
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.state import State
from fedbytes.federated.testing.bench_federation import CLIENTS
from fedbytes.federated.testing.strict_client import Rehearsal, replay
from fedbytes.federated.testing.tiny_models import EXAMPLES, TinyRegression
from fedbytes.testing import Finding, check_spec, require, run_checks

_ROUNDS = 4
_NEAR = 0.05
"""Of the distance that plain averaging goes: how far off the model may end."""


def check_aggregation(aggregation: Aggregation) -> list[Finding]:
    """Run every contract check over an aggregation, with its example uplink.

    Args:
        aggregation: any instance, registered or not.
    """
    checks = _Checks(aggregation)
    return run_checks(
        [
            ("its spec rebuilds it", lambda: check_spec(AGGREGATIONS, aggregation)),
            ("refuses in one line", checks.refusals),
            ("clients need nothing but their messages", checks.strict),
            ("the ledger has every byte", checks.ledger),
            ("the model moves by the mean", checks.mean),
            ("resumes from a checkpoint", checks.checkpoint),
        ]
    )


class _Checks:
    def __init__(self, aggregation: Aggregation) -> None:
        self.aggregation = aggregation

    def run(self, partial: bool = True, **fields: Any) -> Rehearsal:
        """Return a run of FedAvg on clients of unequal sizes; of all where clients open the sum."""
        partial = partial and not self.aggregation.clients_open
        bounds = np.linspace(0, 1, CLIENTS + 1) ** 1.5 * EXAMPLES
        settings: dict[str, Any] = {
            "model": TinyRegression(),
            "parts": [np.arange(int(a), int(b), dtype=np.int64) for a, b in pairwise(bounds)],
            "algorithm": make_algorithm("fedavg", local_steps=3, learning_rate=0.05),
            "uplink": make_link(self.aggregation.example_uplink),
            "downlink": make_link("fp32"),
            "clients_per_round": CLIENTS - 2 if partial else CLIENTS,
            "aggregation": self.aggregation,
        }
        return Rehearsal(Federation(**settings | fields))

    def plain(self) -> Federation:
        """Return the same without loss, each delta opened by itself."""
        return replace(self.run(False).fed, aggregation=DECODE_EACH, uplink=make_link("fp32"))

    def refusals(self) -> str:
        """A reason not to work is one line."""
        topk = {"name": "topk", "density": 0.2}
        specs: list[Any] = ["fp32", topk, topk | {"error_feedback": "ef21"}]
        said = {self.aggregation.refuses(make_link(spec)) for spec in specs} - {None}
        for reason in said:
            require(
                str(reason).strip() != "" and "\n" not in str(reason), f"{reason!r}: not a line"
            )
        return "; ".join(sorted(map(str, said)))

    def strict(self) -> str:
        """Strict clients, which share nothing, send the same in every exchange."""
        run = self.run()
        theirs = replace(run.fed, model=TinyRegression())
        replay(run, [Client(theirs, c) for c in range(CLIENTS)], _ROUNDS)
        return f"{self.aggregation.exchanges} exchanges"

    def ledger(self) -> str:
        """The ledger counts what crossed; `extra_bytes` or `own_bytes` foretells its own part."""
        run = self.run().go(_ROUNDS)
        crossed = sum(map(len, run.crossed))
        require(
            run.ledger.total == crossed, f"{run.ledger.total} bytes in the ledger, not {crossed}"
        )
        turns, fed = _ROUNDS * run.fed.clients_per_round, run.fed
        context = fed.context(_ROUNDS)
        shared = fed.shared_up(context.for_client(context.clients[0]), None)
        whole = self.aggregation.own_bytes(fed.integer_sums(context), shared)
        usual = ("delta", "metrics", "update", "state", "catch-up", "seed")
        for way, extra in zip(("up", "down"), whole or self.aggregation.extra_bytes, strict=True):
            own = [e for e in run.ledger.entries if e.direction == way and e.kind not in usual]
            said = sum(e.message_bytes for e in own) / turns
            near = said == extra or (self.aggregation.clients_open and abs(said / extra - 1) < 0.01)
            require(near, f"{extra} bytes of its own are foretold {way}, and {said} crossed")
        return f"{crossed} bytes"

    def mean(self) -> str:
        """With its example uplink the model ends where plain averaging does, nearly."""
        mine, plain = self.run(False), Rehearsal(self.plain())
        start = mine.state.model
        mine.go(1)
        plain.go(1)
        gap = float((mine.state.model - plain.state.model).norm())
        gap /= float((plain.state.model - start).norm())
        weighs = getattr(self.aggregation, "weights", "examples") == "examples"
        require(gap < _NEAR or not weighs, f"the model ends {gap:.1%} of its way from the mean")
        return f"{gap:.1e} of the way from the mean"

    def checkpoint(self) -> str:
        """A run that is cut, saved and loaded ends the same."""
        whole, cut = self.run().go(_ROUNDS), self.run().go(_ROUNDS // 2)
        with tempfile.TemporaryDirectory() as folder:
            cut.state.save(Path(folder) / "state.pt", {})
            cut.state, _ = State.load(Path(folder) / "state.pt")
        cut.go(_ROUNDS - _ROUNDS // 2)
        require(torch.equal(cut.state.model, whole.state.model), "ends with another state")
        require(cut.crossed == whole.crossed, "other bytes crossed")
        return ""
