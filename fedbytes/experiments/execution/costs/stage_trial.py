"""The trial of what a round takes beside training: masks, ciphertexts, noise, attacks, audits.

Whole rounds are made in which clients send values like those of a trial in place of training, by
the code of the rounds themselves: so whatever acts in one is in it, of plug-ins as well.
"""

from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

from torch import Tensor

from fedbytes.experiments.execution.costs.answered_texts import labelled_as_answered
from fedbytes.experiments.execution.traffic_forecast import SLOW, Sample, after_a_round
from fedbytes.federated.aggregation import DecodeEach
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.local_clients import LocalClients
from fedbytes.federated.plugins.audit import AuditedRun
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.state import initial_state, state_with


class _RoundKind(NamedTuple):
    """What acts in a round; rounds of one kind are taken to last equally long.

    Attributes:
        first: whether audits may score what nobody has trained yet.
        examined: whether audits examine the model after it.
        attacks, defenses, audits: of each, whether it acts.
    """

    first: bool
    examined: bool
    attacks: tuple[bool, ...]
    defenses: tuple[bool, ...]
    audits: tuple[bool, ...]


class StageSeconds(NamedTuple):
    """What all rounds of a run take without training, coding of messages included."""

    each: float
    """Of every such run."""
    once: float
    """What a process's first such run takes more: imports, compiling and the like."""


class _Senders(LocalClients):
    """Clients that have trained already: each sends values as a client of a trial did."""

    sent: Sample

    def train(self, context: RoundContext) -> Iterator[tuple[int, Trained]]:
        """Yield each client of the round with such values in its layout."""
        for client in context.clients:
            self[client].take_back(context, {})
            layout = self.fed.algorithm.up(self[client].context)
            yield client, Trained(self.sent.vector(layout.numel), 1.0)


def has_stages(fed: Federation) -> bool:
    """Return whether more acts in a run's rounds than training and coding each message."""
    plugins = fed.plugins
    acting = plugins.privacy or plugins.attack or plugins.defense or plugins.audit
    return bool(acting) or not isinstance(fed.aggregation, DecodeEach)


def stage_seconds(fed: Federation, rounds: int, every: int, sent: Sample) -> StageSeconds:
    """Return the seconds of all rounds of a run without training.

    What defences do before the first round is in them.

    Args:
        fed: the federation; its model is left with another vector.
        rounds: how many it makes.
        every: rounds between evaluations.
        sent: values as a client of it sends them.
    """
    kinds = {round_: _kind_of(fed, rounds, every, round_) for round_ in range(1, rounds + 1)}
    seconds, once, start = dict[_RoundKind, float](), 0.0, perf_counter()
    begun = initial_state(fed).server.model
    before = perf_counter() - start
    for round_, kind in kinds.items():
        if kind in seconds or not fed.context(round_).clients:
            continue
        spent = _made(fed, begun, round_, kind, sent)
        if spent < SLOW:
            cold, spent = spent, _made(fed, begun, round_, kind, sent)
            once += cold - spent
        seconds[kind] = spent
    counts = Counter(kinds.values())
    each = before + sum(count * seconds.get(kind, 0.0) for kind, count in counts.items())
    return StageSeconds(each, max(0.0, once))


def _kind_of(fed: Federation, rounds: int, every: int, round_: int) -> _RoundKind:
    """Return what acts in a round.

    An audit that names rounds works in them alone, and in all others listens at most.
    """
    task = getattr(fed.model, "task", None)
    run = AuditedRun(getattr(task, "kind", "classification"), False, rounds, every)
    attacks = tuple(attack.active(round_) for attack in fed.plugins.attack)
    named = (getattr(audit, "rounds", ()) for audit in fed.plugins.audit)
    audits = tuple(not some or round_ in some for some in named)
    defenses = tuple(getattr(one, "from_round", 1) <= round_ for one in fed.plugins.defense)
    first, examined = round_ == 1 and any(audits), any(audits) and run.evaluates(round_)
    return _RoundKind(first, examined, attacks, defenses, audits)


def _made(fed: Federation, begun: Tensor, round_: int, kind: _RoundKind, sent: Sample) -> float:
    """Make a round whose clients begin anew; return its seconds less those of training.

    Clients train where an audit goes by the texts that they read.
    """
    state = state_with(fed, begun.clone())
    if round_ > 1 and fed.algorithm.travels == "vectors":
        state.server.model = after_a_round(fed, sent)
    state.server.round = round_ - 1
    run = Simulation(fed, state)
    acting = zip(fed.plugins.audit, kind.audits, strict=True)
    if not any(acts and audit.scores_by_batches for audit, acts in acting):
        clients = _Senders(fed, state.clients, state.replica, run.clock)
        clients.sent, run.clients = sent, clients
    start = perf_counter()
    if fed.algorithm.travels == "vectors":
        run.run_round()
    spent = perf_counter() - start - run.clock.seconds()["train"]
    state.server.round = round_
    if kind.examined:
        fed.algorithm.load(fed.model, state.model)
        with labelled_as_answered(fed.model):
            start = perf_counter()
            run.audit()
            spent += perf_counter() - start
    return spent
