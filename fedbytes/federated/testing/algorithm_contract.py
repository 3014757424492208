"""The contract of every algorithm, as checks that also run on plug-ins of your own."""

import copy
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.codec import make_codec
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, Compatibility
from fedbytes.federated.client.client import Client
from fedbytes.federated.fit.link_fit import compatibility
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.state import State
from fedbytes.federated.testing.bench_federation import (
    CLIENTS,
    SAMPLED,
    Workbench,
    find_model,
    same,
)
from fedbytes.federated.testing.mean_alone import MeanAlone
from fedbytes.federated.testing.strict_client import Rehearsal, replay
from fedbytes.federated.testing.tiny_models import LORA, text_model
from fedbytes.federated.trainable import Stackable
from fedbytes.models.adapter import make_adapter
from fedbytes.streams import stream
from fedbytes.testing import (
    BrokenError,
    Check,
    Finding,
    check_spec,
    no_global_random,
    require,
    run_checks,
)

_ROUNDS = 4
_ROUNDING = 1e-2
"""Relative difference that Adam's first steps make of rounding."""
TOPK = {"name": "topk", "density": 0.2, "error_feedback": True}
LINKS: tuple[tuple[Any, Any], ...] = (
    ("fp32", "fp32"),
    (TOPK, TOPK),
    ({"name": "int", "bits": 8}, {"name": "int", "bits": 8}),
    (TOPK | {"momentum": 0.5}, "fp32"),
)


def check_algorithm(algorithm: Algorithm) -> list[Finding]:
    """Run every contract check over an algorithm, on the first tiny model that it can train.

    Args:
        algorithm: any instance, registered or not.
    """
    try:
        make = find_model(algorithm)
    except BrokenError as broken:
        return [Finding("trains a tiny model", False, str(broken))]
    bench = _Checks(algorithm, make)
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(ALGORITHMS, algorithm)),
        ("says what it holds and sends", bench.layouts),
        ("changes nothing that it is given", bench.inputs),
        ("the same inputs give the same outputs", bench.repeats),
        ("leaves the global random state alone", bench.global_random),
        ("loads what is held into any model", bench.loads),
        ("clients' own models follow from what they keep", bench.own_models),
        ("refuses in one line", bench.refusals),
        *(
            (f"up {_name(up)}, down {_name(down)}", _runs(bench, up, down))
            for up, down in bench.links()
        ),
        ("says whether it needs each upload", bench.needs_each),
        ("clients side by side end where each ends alone", bench.side_by_side),
        ("resumes from a checkpoint", bench.checkpoint),
    ]
    return run_checks(checks)


def _runs(bench: "_Checks", up: Any, down: Any) -> Callable[[], str]:
    return lambda: bench.runs(up, down)


def _name(spec: Any) -> str:
    return make_link(spec).label


class _Checks(Workbench):
    """The checks; each returns what was tried."""

    def links(self) -> list[tuple[Any, Any]]:
        """Return the links of the check; the algorithm's own example is the last, if it has one."""
        own = self.algorithm.example_uplink
        return [*LINKS, *([] if own == "fp32" else [(own, "fp32")])]

    def layouts(self) -> str:
        """Vectors have the lengths that the layouts say, on both ends, and are finite."""
        fed, algorithm = self.usual(), self.algorithm
        held = algorithm.initial(fed.model, 3)
        require(
            held.numel() == algorithm.synced_layout(fed.model).numel, "initial differs from held"
        )
        other = algorithm.initial(self.make(), 3)
        require(torch.equal(held, other), "initial differs between two models")
        require(
            algorithm.synced_layout(self.make()) == fed.layout, "held differs between two models"
        )
        if algorithm.travels != "vectors":
            for trained in self.calls(fed):
                _fits("delta", trained.delta, fed.layout.numel)
            return f"held {fed.layout.numel} numbers, of which none travels"
        found, announced = iter(self.calls(fed)), fed.context(1).announced
        for round_ in (1, 2):
            context = fed.context(round_, announced)
            for client in context.clients:
                trained = next(found)
                if trained.announces is not None:
                    context = context.with_announcement(client, trained.announces)
                _fits("delta", trained.delta, algorithm.up(context.for_client(client)).numel)
            announced = context.announced
            update, _, after = next(found)
            if algorithm.downloads == "updates":
                _fits("update", update, algorithm.down(context).numel)
            _fits("what is held", after, fed.layout.numel)
        return f"held {fed.layout.numel} numbers"

    def inputs(self) -> str:
        """No method changes what it is given."""
        given: list[Any] = []
        self.calls(self.usual(), given)
        for values, before in given:
            require(same(values, before), "a method changed what it was given")
        return f"{len(given)} calls"

    def repeats(self) -> str:
        """Outputs follow from inputs: not from what a model holds, nor from earlier calls."""
        fed = self.usual()
        first = self.calls(fed)
        fed.model.set_state(torch.full((fed.model.layout.numel,), 0.5))
        require(same(first, self.calls(fed)), "the second time the outputs are others")
        fresh = _Checks(copy.deepcopy(self.algorithm), self.make)
        require(
            same(first, fresh.calls(fresh.usual())), "with a fresh model the outputs are others"
        )
        return "twice, and with a fresh model"

    def global_random(self) -> str:
        """Nothing draws from a global generator."""
        with no_global_random():
            self.calls(self.usual())
        return ""

    def loads(self) -> str:
        """What is held is all that evaluation needs."""
        fed = self.usual()
        vectors = self.algorithm.travels == "vectors"
        held = self.calls(fed)[-1][2] if vectors else self.algorithm.initial(fed.model, 3)
        losses = []
        for model in (fed.model, self.make()):
            self.algorithm.load(model, held)
            rows = np.arange(8, dtype=np.int64)
            with torch.no_grad():
                losses.append(float(model.loss(next(model.batches(rows, 8, stream(0, "check"))))))
        require(losses[0] == losses[1], f"two models that load the same have losses {losses}")
        return ""

    def own_models(self) -> str:
        """What a client predicts with fits the model, and asking for it changes nothing."""
        fed, algorithm = self.usual(), self.algorithm
        if not algorithm.has_own_models:
            require(algorithm.shares_model, "there is no shared model, and clients have none")
            return "all share one"
        run = Simulation(fed)
        for _ in range(2):
            run.run_round()
        context, kept = fed.context(2), copy.deepcopy(run.state.clients)
        for client, part in enumerate(fed.parts):
            memory = run.state.clients[client].memory if client in run.state.clients else {}
            given = context.for_client(client), run.state.model, part, memory
            once, again = (algorithm.own(*given, stream(0, "check own")) for _ in range(2))
            require(once is not None and same(once, again), "the second time it is another")
            assert once is not None
            _fits("a client's own model", once, fed.model.layout.numel)
        held = {number: client.memory for number, client in run.state.clients.items()}
        before = {number: client.memory for number, client in kept.items()}
        require(same(held, before), "asking for a client's model changed what it keeps")
        return f"{len(fed.parts)} clients"

    def refusals(self) -> str:
        """A reason not to work is one line."""
        said = set()
        for case in every_compatibility():
            reason = self.algorithm.refuses(case)
            if reason is not None:
                require(reason.strip() != "" and "\n" not in reason, f"{reason!r} is not one line")
                said.add(reason)
        return "; ".join(sorted(said))

    def runs(self, up: Any, down: Any) -> str:
        """The ledger counts what crossed, and clients need nothing but their messages."""
        partial = self.partial(up, down)
        if partial is None:
            reason = self.algorithm.refuses(compatibility(make_link(up), make_link(down), False))
            return f"refuses: {reason}"
        fed = self.federation(up, down, partial)
        run = Rehearsal(fed)
        theirs = replace(fed, model=self.make())
        replay(run, [Client(theirs, c) for c in range(CLIENTS)], _ROUNDS)
        crossed = sum(map(len, run.crossed))
        require(
            run.ledger.total == crossed, f"{run.ledger.total} bytes in the ledger, not {crossed}"
        )
        _fits("what is held", run.state.model, fed.layout.numel)
        return f"{SAMPLED if partial else CLIENTS} of {CLIENTS} clients, {crossed} bytes"

    def needs_each(self) -> str:
        """An algorithm that needs no single upload does the same with their mean in one."""
        if self.algorithm.needs_each:
            return "needs each"
        fed = self.usual()
        if not fed.aggregation.opens_each:
            return f"works on the sums of {fed.aggregation.name}"
        runs = [Simulation(replace(fed, aggregation=a)) for a in (fed.aggregation, MeanAlone())]
        for run in runs:
            for _ in range(_ROUNDS):
                run.run_round()
        each, mean = (run.state.model for run in runs)
        gap = float((each - mean).abs().max() / each.abs().max())
        require(
            gap <= 1e-6, f"with one averaged upload it is off by {gap:.1e}: set needs_each = True"
        )
        return f"one averaged upload gives the same to {gap:.0e}"

    def side_by_side(self) -> str:
        """Clients that train at once end where they do one after another."""
        reason = self.algorithm.one_at_a_time
        if reason:
            return reason
        bert = Workbench(self.algorithm, lambda: text_model("tiny-bert", LORA))
        fed = (self if isinstance(self.make(), Stackable) else bert).usual()
        ends = []
        for at_once in (1, fed.clients_per_round):
            run = Simulation(replace(fed, clients_at_once=at_once))
            begin = run.state.server.model.clone()
            clients = run.run_round().clients
            kept = [run.state.clients[client].memory for client in clients]
            ends.append({"model": run.state.server.model - begin} | _named(kept))
        for name, alone in ends[0].items():
            apart = float((alone - ends[1][name]).norm())
            require(
                apart <= _ROUNDING * max(float(alone.norm()), 1e-6),
                f"{name} differs by {apart:g} of {float(alone.norm()):g}: take clients' steps by "
                "`plan`, or say one_at_a_time",
            )
        return f"{fed.clients_per_round} clients"

    def checkpoint(self) -> str:
        """A run that is cut, saved and resumed by new objects ends the same."""
        pairs = [LINKS[1], LINKS[0], self.links()[-1]]
        links = next(pair for pair in pairs if self.partial(*pair) is not None)
        partial = bool(self.partial(*links))
        feds = [self.federation(*links, partial) for _ in range(2)]
        whole, cut = (Rehearsal(fed) for fed in feds)
        whole.go(_ROUNDS)
        cut.go(_ROUNDS // 2)
        with tempfile.TemporaryDirectory() as folder:
            cut.state.save(Path(folder) / "state.pt", {})
            state, _ = State.load(Path(folder) / "state.pt")
        fed = replace(cut.fed, model=self.make(), algorithm=copy.deepcopy(self.algorithm))
        rest = Rehearsal(fed, state).go(_ROUNDS - _ROUNDS // 2)
        require(torch.equal(rest.state.model, whole.state.model), "ends with another state")
        require(cut.crossed + rest.crossed == whole.crossed, "other bytes crossed")
        return ""


def every_compatibility() -> Iterator[Compatibility]:
    """Yield links with every memory, full and partial participation, and kinds of models."""
    for up, down in (("fp32", "fp32"), ("topk", "fp32"), ("fp32", "topk"), ("topk", "topk")):
        for bits in range(16):
            a, b, c, d = (bool(bits >> place & 1) for place in range(4))
            exact = make_codec(up).exact, make_codec(down).exact
            yield Compatibility(up, down, a, b, c, d, up_exact=exact[0], down_exact=exact[1])
    yield Compatibility(aggregation="sum_then_decode", opens_each=False)
    for adapter in ("lora", "full", "head"):
        for classifies in (True, False):
            yield Compatibility(adapter=make_adapter(adapter), classifies=classifies)


def _named(kept: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {
        f"client {at}'s {name}": tensor.double()
        for at, memory in enumerate(kept)
        for name, tensor in memory.items()
    }


def _fits(what: str, vector: Tensor, numel: int) -> None:
    require(vector.shape == (numel,), f"{what} has shape {tuple(vector.shape)}, not ({numel},)")
    require(vector.dtype == torch.float32, f"{what} is {vector.dtype}, not float32")
    require(bool(torch.isfinite(vector).all()), f"{what} is not finite")
