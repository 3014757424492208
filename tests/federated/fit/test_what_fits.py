"""What a federation's parts are told that they cannot be joined with, each check by itself."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from fedbytes.compression.layout import Layout
from fedbytes.federated import Hooks, make_algorithm, make_attack
from fedbytes.federated.aggregation import DECODE_EACH, make_aggregation
from fedbytes.federated.algorithms.fedavg import FedAvg
from fedbytes.federated.context import RoundContext
from fedbytes.federated.fit.audit_fit import refuse_audits
from fedbytes.federated.fit.hook_fit import refuse_hooks
from fedbytes.federated.fit.sent_layouts import (
    SentLayouts,
    refuse_hostile_training,
    refuse_mixed_layouts,
)
from fedbytes.federated.fit.server_training_fit import refuse_server_training
from fedbytes.federated.plugins.audit_truth import AuditTruth
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.testing.tiny_models import TinyRegression

MODEL = TinyRegression()
BIAS = Layout({"bias": (3,)})
NOTHING_ASIDE = AuditTruth([np.arange(3)] * 2)


@dataclass(frozen=True)
class SendsLessLater(FedAvg):
    """Sends all of what is trained in the first round, and a part of it afterwards."""

    def up(self, context):
        return MODEL.layout if context.round == 1 else BIAS


@dataclass(frozen=True)
class SendsLessFromClientTwo(FedAvg):
    """Has one client send a part of what others send."""

    def up(self, context):
        return BIAS if context.client == 2 else MODEL.layout


PLAIN = FedAvg(local_steps=1)
LATER, MIXED = SendsLessLater(local_steps=1), SendsLessFromClientTwo(local_steps=1)


def sent_by(algorithm):
    def context(round_):
        return RoundContext(model=MODEL, seed=0, round=round_, clients=(1, 2), num_clients=2)

    return SentLayouts(algorithm, MODEL, np.array([1, 2]), context)


def test_averaging_sends_what_is_held_and_what_sends_less_does_not():
    plain, later = sent_by(PLAIN), sent_by(LATER)
    assert plain.held == plain.up(1) == plain.up(2) == MODEL.layout
    assert plain.are_of_what_is_held
    assert later.in_first_rounds == {MODEL.layout, BIAS}
    assert not later.are_of_what_is_held
    mixed = sent_by(MIXED)
    assert mixed.of_all_clients == {MODEL.layout, BIAS}
    assert mixed.are_of_what_is_held  # as the first client sends it


def test_who_acts_on_all_deltas_needs_one_layout():
    plugins = RoundPlugins(attack=(make_attack("ipm"),))
    assert refuse_mixed_layouts(plugins, sent_by(PLAIN)) is None
    assert refuse_mixed_layouts(RoundPlugins(), sent_by(MIXED)) is None
    reason = refuse_mixed_layouts(plugins, sent_by(MIXED))
    assert reason is not None
    assert reason.startswith("attack 'ipm' needs deltas of one layout")


def test_hostile_training_needs_to_send_what_is_trained():
    plugins = RoundPlugins(attack=(make_attack("pgd"),))
    assert refuse_hostile_training(plugins, sent_by(PLAIN)) is None
    assert refuse_hostile_training(RoundPlugins(), sent_by(LATER)) is None
    reason = refuse_hostile_training(plugins, sent_by(LATER))
    assert reason is not None
    assert f"attack 'pgd' acts on the {MODEL.layout.numel} trained numbers" in reason


def told_numel(model, layout):
    return f"{layout.numel} numbers"


def plugins_with_audit(**fields):
    usual = {"reads": "messages", "needs_set_aside": False, "refuses_model": lambda *_: None}
    return SimpleNamespace(audit=[SimpleNamespace(name="a", **usual | fields)])


@pytest.mark.parametrize(
    ("fields", "aggregation", "algorithm", "reason"),
    [
        ({}, "decode_each", PLAIN, None),
        ({"reads": "deltas"}, "decode_each", PLAIN, None),
        ({"reads": "deltas"}, "sum_then_decode", PLAIN, "shows the sum alone"),
        ({}, "decode_each", LATER, "holds or sends something else"),
        ({"reads": "model"}, "decode_each", LATER, None),
        (
            {"refuses_model": lambda model, layout: f"{layout.numel}"},
            "decode_each",
            PLAIN,
            "903",
        ),
        (
            {"needs_set_aside": True},
            "decode_each",
            PLAIN,
            "none of the 2 clients has one",
        ),
    ],
)
def test_audits_read_what_there_is(fields, aggregation, algorithm, reason):
    plugins = plugins_with_audit(**fields)
    told = refuse_audits(plugins, make_aggregation(aggregation), sent_by(algorithm), NOTHING_ASIDE)
    assert told is None if reason is None else reason in told


@pytest.mark.parametrize(
    ("fields", "initial", "rows", "algorithm", "reason"),
    [
        ({}, "full", 9, PLAIN, None),
        ({"stages": {"start"}}, "full", 0, PLAIN, "gives it 0"),
        ({"stages": {"start"}}, "seed", 9, PLAIN, "set initial=full"),
        ({"server_examples": False}, "full", 0, PLAIN, None),
        ({}, "full", 9, make_algorithm("fedkseed"), "algorithm 'fedkseed' has none"),
        ({}, "full", 9, LATER, "holds, sends or adds up something else"),
    ],
)
def test_defenses_train_on_the_server_what_clients_hold(fields, initial, rows, algorithm, reason):
    usual = {"stages": {"uploads"}, "server_examples": True}
    plugins = SimpleNamespace(
        root_examples=False, clean=[], defense=[SimpleNamespace(name="d", **usual | fields)]
    )
    told = refuse_server_training(plugins, sent_by(algorithm), initial, rows)
    assert told is None if reason is None else reason in told


def changes_nothing(uploads, where):
    return uploads


def test_hooks_see_what_they_act_on():
    hooks, none = Hooks(before_aggregate=(changes_nothing,)), RoundPlugins()
    assert refuse_hooks(hooks, none, DECODE_EACH, PLAIN) is None
    summed = refuse_hooks(hooks, none, make_aggregation("sum_then_decode"), PLAIN)
    assert summed is not None
    assert "'sum_then_decode' shows the sum alone" in summed
    alone = refuse_hooks(hooks, none, DECODE_EACH, make_algorithm("local", local_steps=1))
    assert alone is not None
    assert "sends no updates for hooks to act on" in alone
    assert refuse_hooks(Hooks(), none, DECODE_EACH, make_algorithm("local", local_steps=1)) is None
