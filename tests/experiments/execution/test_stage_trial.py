"""What a dry run says that masks, ciphertexts, attacks and audits take, by rounds that it makes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from test_traffic_forecast import CLIENTS, NOISE, SAMPLED, federation

from fedbytes.experiments.execution.costs import stage_trial
from fedbytes.experiments.execution.costs.stage_trial import has_stages, stage_seconds
from fedbytes.experiments.execution.traffic_forecast import Sample
from fedbytes.federated import Audit, Defense
from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.testing.tiny_models import TinyRegression

FIXED = {"name": "fixed", "clip": 4.0, "bits": 16}
ROUNDS, EVERY = 6, 2


@dataclass(frozen=True)
class Timed(Audit):
    """Takes so many seconds for each delta that it works on, and to examine a model."""

    name = "timed"
    hearing: float = 0.0
    examining: float = 0.0
    rounds: tuple[int, ...] = ()

    now = 0.0

    def hear(self, heard, context, state):
        if heard.kind == "delta" and (not self.rounds or context.round in self.rounds):
            Timed.now += self.hearing
        return [], state

    def examine(self, context, state):
        if not self.rounds or context.round in self.rounds:
            Timed.now += self.examining
        return [], state


@pytest.fixture
def by_audits(monkeypatch):
    """A clock that goes on by what audits take, and by nothing else."""
    monkeypatch.setattr(stage_trial, "perf_counter", lambda: Timed.now)


def fed_with(uplink="fp32", clients=SAMPLED, **plugins):
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    made = make_plugins(**plugins)
    return federation(steps, TinyRegression(), uplink, "fp32", clients=clients, plugins=made)


@pytest.mark.parametrize(
    ("audit", "seconds"),
    [
        (Timed(hearing=1.0), ROUNDS * SAMPLED * 1.0),
        (Timed(examining=1.0), ROUNDS / EVERY),
        (Timed(hearing=1.0, examining=10.0, rounds=(2,)), SAMPLED * 1.0 + 10.0),
        (Timed(hearing=1.0, rounds=(2, 4)), 2 * SAMPLED * 1.0),
    ],
    ids=["each delta", "each evaluated model", "one round", "two rounds"],
)
def test_audits_count_in_the_rounds_in_which_they_work(by_audits, audit, seconds):
    assert stage_seconds(fed_with(audit=[audit]), ROUNDS, EVERY, NOISE) == pytest.approx(seconds)


@dataclass(frozen=True)
class Once(Audit):
    """Takes ten seconds for the model that nobody has trained, as audits of scores do."""

    name = "once"

    def hear(self, heard, context, state):
        if context.round == 1 and "begun" not in state:
            Timed.now += 10.0
        return [], {"begun": True}


@dataclass(frozen=True)
class Late(Defense):
    """Takes five seconds in each round from one on, and three before the first."""

    name = "late"
    least_clients = 1
    from_round: int = 3

    def start(self, context):
        Timed.now += 3.0
        return context.held

    def uploads(self, uploads, context, state):
        if context.round >= self.from_round:
            Timed.now += 5.0
        return uploads, state


@pytest.mark.parametrize("every", [1, 2, 3])
def test_what_an_audit_does_before_training_counts_once(by_audits, every):
    assert stage_seconds(fed_with(audit=[Once()]), 6, every, NOISE) == pytest.approx(10.0)


def test_defences_count_in_the_rounds_in_which_they_act_and_before_the_first(by_audits):
    assert stage_seconds(fed_with(defense=[Late()]), 4, 1, NOISE) == pytest.approx(3.0 + 2 * 5.0)


def test_several_audits_add_up(by_audits):
    both = [Timed(hearing=1.0, rounds=(2,)), Timed(examining=3.0, rounds=(2, 4))]
    expected = SAMPLED * 1.0 + 2 * 3.0
    assert stage_seconds(fed_with(audit=both), ROUNDS, EVERY, NOISE) == pytest.approx(expected)


STAGES = [
    {"privacy": "secagg", "uplink": FIXED, "clients": CLIENTS},
    {"privacy": "he", "uplink": FIXED, "clients": CLIENTS},
    {"privacy": {"name": "he", "scheme": "ckks"}, "clients": CLIENTS},
    {"privacy": {"name": "dp", "clip": 1.0, "noise": 1.0, "delta": 0.01}},
    {"defense": {"name": "trimmed_mean"}, "clients": CLIENTS},
    {"attack": {"name": "sign_flip", "share": 0.4, "from_round": 3}, "clients": CLIENTS},
]


@pytest.mark.parametrize("fields", STAGES, ids=str)
def test_whatever_acts_in_a_round_is_timed(fields, monkeypatch):
    fed, real = fed_with(**fields), stage_trial._made
    assert has_stages(fed)

    def a_second(*given):
        assert real(*given) > 0
        return 1.0

    monkeypatch.setattr(stage_trial, "_made", a_second)
    assert stage_seconds(fed, 4, 1, NOISE) == pytest.approx(4.0, abs=0.5)  # begun within it


def test_a_round_of_messages_alone_has_no_stages():
    assert not has_stages(fed_with())
    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    summed = make_aggregation("sum_then_decode")
    assert has_stages(federation(steps, TinyRegression(), FIXED, "fp32", aggregation=summed))


def test_nothing_trains_unless_an_audit_asks_for_what_was_read(monkeypatch):
    def train(*_):
        raise AssertionError("a client trained")

    steps = make_algorithm("fedavg", local_steps=2, batch_size=8, learning_rate=0.01)
    monkeypatch.setattr(type(steps), "train", train)
    stage_seconds(fed_with("fp32", audit=[Timed()]), 2, 1, NOISE)
    fed = fed_with("fp32", audit=[Reader()])
    with pytest.raises(AssertionError, match="a client trained"):
        stage_seconds(fed, 2, 1, NOISE)


@dataclass(frozen=True)
class Reader(Audit):
    """Goes by the examples that clients read."""

    name = "reader"
    scores_by_batches = True


def test_clients_send_values_of_the_trial(by_audits):
    heard = []

    @dataclass(frozen=True)
    class Listener(Audit):
        name = "listener"

        def hear(self, heard_, context, state):
            if heard_.kind == "delta":
                heard.append(heard_.decode().numpy())
            return [], state

    sent = Sample(torch.full((8,), 0.25))
    stage_seconds(fed_with(audit=[Listener()]), 1, 1, sent)
    assert len(heard) == 2 * SAMPLED  # a round for warming up
    assert np.unique(np.concatenate(heard)) == pytest.approx([0.25])
