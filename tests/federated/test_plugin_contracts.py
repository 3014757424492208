"""The contracts of what acts in the rounds: over every plug-in of ours, and over broken ones."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from fedbytes.federated import (
    Attack,
    Audit,
    Cleaner,
    Defense,
    Trained,
)
from fedbytes.federated.plugins.round_plugins import ROUND_REGISTRIES
from fedbytes.privacy import Privacy

OURS = [
    (section, name, fields)
    for section, registry in ROUND_REGISTRIES.items()
    for name in registry.names()
    for fields in registry.get(name).examples
]


@pytest.mark.parametrize(("section", "name", "fields"), OURS, ids=str)
def test_a_plugin_of_ours_keeps_its_contract(section, name, fields):
    registry = ROUND_REGISTRIES[section]
    findings = registry.check(registry.make(name, **fields))
    assert len(findings) > 3
    assert not [f"{f.property}: {f.message}" for f in findings if not f.passed]


@dataclass(frozen=True, kw_only=True)
class Idle(Attack):
    pass


@dataclass(frozen=True, kw_only=True)
class Harmless(Attack):
    def act(self, deltas, attackers, context, state):
        return deltas, state


@dataclass(frozen=True, kw_only=True)
class InPlace(Attack):
    def act(self, deltas, attackers, context, state):
        for client in attackers:
            deltas[client].delta.neg_()
        return deltas, state


@dataclass(frozen=True, kw_only=True)
class Global(Attack):
    def act(self, deltas, attackers, context, state):
        noise = torch.randn(len(deltas[attackers[0]].delta))
        return {c: Trained(noise, 0.0) for c in attackers}, state


@dataclass(frozen=True, kw_only=True)
class Forgets(Attack):
    def act(self, deltas, attackers, context, state):
        past = vars(type(self)).get("past", 0)
        type(self).past = past + 1
        return {c: deltas[c].with_delta(past * deltas[c].delta) for c in attackers}, state


@dataclass(frozen=True)
class NoCap(Defense):
    def uploads(self, uploads, context, state):
        return [replace(u, delta=u.delta / u.delta.norm()) for u in uploads], state


@dataclass(frozen=True)
class First(Defense):
    def uploads(self, uploads, context, state):
        return [replace(uploads[0], examples=1)], state


@dataclass(frozen=True)
class Twice(Defense):
    def loss(self, loss, context):
        def made(batch):
            loss(batch).backward()
            return loss(batch)

        return made


@dataclass(frozen=True)
class Strangers(Cleaner):
    def clean(self, indices, context, state):
        return indices + 1, state


@dataclass(frozen=True)
class All(Cleaner):
    def clean(self, indices, context, state):
        return indices[:0], state


@dataclass(frozen=True)
class Doubles(Privacy):
    def protect(self, message, rng, state):
        return message.astype(np.float64) * 2, state


@dataclass(frozen=True)
class Objects(Privacy):
    def protect(self, message, rng, state):
        return message, {"kept": slice(3)}


@dataclass(frozen=True)
class Meddles(Audit):
    def hear(self, heard, context, state):
        if heard.shared.reference is not None:
            heard.shared.reference.zero_()
        context.held.zero_()
        context.model.set_state(context.held)
        return [{"seen": heard.client}], state

    def examine(self, context, state):
        torch.manual_seed(0)
        return [], state


@dataclass(frozen=True)
class Deaf(Audit):
    pass


BROKEN = [
    ("attack", Idle(), "acts in a stage"),
    ("attack", Harmless(), "changes what attackers send, and nothing else"),
    ("attack", InPlace(), "act: changes nothing it is given, draws from its own"),
    ("attack", Global(), "act: changes nothing it is given, draws from its own"),
    ("attack", Forgets(), "resumes from a checkpoint"),
    ("defense", NoCap(), "a client does not win by claiming examples"),
    ("defense", First(), "the order of uploads does not matter"),
    ("defense", Twice(), "the loss has a graph, and leaves the model alone"),
    ("clean", Strangers(), "keeps some of the client's examples"),
    ("clean", All(), "keeps some of the client's examples"),
    ("privacy", Doubles(), "changes nothing it is given, draws from its own"),
    ("privacy", Objects(), "resumes from a checkpoint"),
    ("audit", Meddles(), "changes neither model nor bytes"),
    ("audit", Deaf(), "finds the same in the same run"),
]


@pytest.mark.parametrize(("section", "plugin", "broken"), BROKEN, ids=str)
def test_what_is_broken_is_found(section, plugin, broken):
    type(plugin).name = type(plugin).__name__
    failed = {f.property for f in ROUND_REGISTRIES[section].check(plugin) if not f.passed}
    assert broken in failed
