"""What a dry run says that masks, ciphertexts, attacks and audits take, by rounds that it makes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from test_traffic_forecast import CLIENTS, NOISE, SAMPLED, federation

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution import cost_estimate
from fedbytes.experiments.execution.cost_estimate import estimate
from fedbytes.experiments.execution.costs import stage_trial
from fedbytes.experiments.execution.costs.cost_trial import make_trial
from fedbytes.experiments.execution.costs.stage_trial import (
    StageSeconds,
    has_stages,
    stage_seconds,
)
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.experiments.execution.traffic_forecast import Sample
from fedbytes.federated import Audit, Defense
from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.testing.tiny_models import TinyRegression
from fedbytes.federated.text_attacks.hotflip import HotFlip

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
    found = stage_seconds(fed_with(audit=[audit]), ROUNDS, EVERY, NOISE)
    assert found == (pytest.approx(seconds), 0.0)


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
    found = stage_seconds(fed_with(audit=[Once()]), 6, every, NOISE)
    assert found.each == pytest.approx(10.0)


def test_defences_count_in_the_rounds_in_which_they_act_and_before_the_first(by_audits):
    found = stage_seconds(fed_with(defense=[Late()]), 4, 1, NOISE)
    assert found.each == pytest.approx(3.0 + 2 * 5.0)


def test_several_audits_add_up(by_audits):
    both = [Timed(hearing=1.0, rounds=(2,)), Timed(examining=3.0, rounds=(2, 4))]
    expected = SAMPLED * 1.0 + 2 * 3.0
    found = stage_seconds(fed_with(audit=both), ROUNDS, EVERY, NOISE)
    assert found.each == pytest.approx(expected)


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
    found = stage_seconds(fed, 4, 1, NOISE)
    assert found.each == pytest.approx(4.0, abs=0.5)  # begun within it


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


def test_what_a_process_does_once_is_counted_once(by_audits, monkeypatch):
    asked = []

    def examine(self, context, state):
        Timed.now += 0.5 if asked else 1.5
        asked.append(context.round)
        return [], state

    monkeypatch.setattr(Timed, "examine", examine)
    assert stage_seconds(fed_with(audit=[Timed()]), ROUNDS, EVERY, NOISE) == (1.5, 1.0)
    assert stage_seconds(fed_with(audit=[Timed()]), ROUNDS, EVERY, NOISE) == (1.5, 0.0)


def test_runs_of_other_seeds_do_not_begin_cold(settings, monkeypatch):
    monkeypatch.setattr(cost_estimate, "stage_seconds", lambda *_: StageSeconds(2.0, 7.0))
    fields = settings | {
        "adapter": "head",
        "rounds": 1,
        "clients_per_round": 3,
        "defense": "norm_clip",
    }
    costs = estimate([make_config(fields | {"seed": seed}) for seed in (0, 1)], 1)
    first, second = (cost.stage_seconds + cost.codec_seconds for cost in costs)
    assert (first, second) == (pytest.approx(9.0), pytest.approx(2.0))


def test_texts_are_attacked_as_if_the_model_were_right_about_all(settings, monkeypatch):
    """As a trained one nearly is; what is timed has hardly been trained."""
    audit = {"name": "text_attacks", "attacks": ["hotflip"], "texts": 7}
    fields = {"adapter": "head", "rounds": 1, "audit": audit}
    problem = make_problem(make_config(settings | fields), Hooks())
    labels, attacked = problem.model.task.test.labels, []
    attack = HotFlip.attack

    def counting(self, victim, rng):
        attacked.append(victim.text)
        return attack(self, victim, rng)

    monkeypatch.setattr(HotFlip, "attack", counting)
    monkeypatch.setattr(stage_trial, "SLOW", float("inf"))
    sent = make_trial(problem).sent
    stage_seconds(problem.federation, 1, 1, sent)
    assert len(attacked) == 2 * 7  # a round for warming up
    assert problem.model.task.test.labels is labels
