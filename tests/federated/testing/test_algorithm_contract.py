"""Every registered algorithm keeps the contract, in every configuration that it names."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from fedbytes.federated.algorithm import ALGORITHMS, make_algorithm
from fedbytes.federated.algorithms.fedavg import FedAvg
from fedbytes.federated.testing.algorithm_contract import check_algorithm

CONFIGURED = [
    make_algorithm(name, **fields)
    for name in ALGORITHMS.names()
    for fields in ALGORITHMS.get(name).examples
]


def describe(algorithm):
    fields = next(f for f in algorithm.examples if make_algorithm(algorithm.name, **f) == algorithm)
    return ",".join([algorithm.name, *(f"{key}={value}" for key, value in fields.items())])


@pytest.mark.parametrize("algorithm", CONFIGURED, ids=describe)
def test_keeps_the_contract(algorithm):
    findings = check_algorithm(algorithm)
    assert len(findings) >= 10
    assert [finding for finding in findings if not finding.passed] == []


SECRET: dict[str, torch.Tensor] = {}
COUNT: list[int] = []
NOTES: dict[int, int] = {}


@dataclass(frozen=True)
class Broken(FedAvg):
    """Breaks one rule, as told, so that the checks can be seen to fail."""

    fault: str = "none"
    name = "broken"

    def synced_layout(self, model):
        if self.fault == "unsuitable":
            raise ValueError("trains nothing at all")
        return super().synced_layout(model)

    def train(self, context, start, indices, memory, rng):
        if self.fault == "changes start":
            start.add_(1.0)
        if self.fault == "changes memory":
            memory["seen"] = torch.ones(1)
        trained = super().train(context, start, indices, memory, rng)
        if self.fault == "global random":
            trained.delta.add_(torch.rand(1) * 0)
        elif self.fault == "counts calls":
            COUNT.append(1)
            trained.delta.mul_(len(COUNT))
        elif self.fault == "short":
            return type(trained)(trained.delta[:-1].clone(), trained.loss)
        elif self.fault == "not finite":
            trained.delta[0] = float("nan")
        elif self.fault == "double":
            return type(trained)(trained.delta.double(), trained.loss)
        elif self.fault == "forgets in a checkpoint":
            NOTES[id(self)] = NOTES.get(id(self), 0) + context.round
            trained.delta.mul_(NOTES[id(self)])
        elif self.fault == "past the channel":
            trained.delta.add_(SECRET.get("update", torch.zeros_like(trained.delta)))
        return trained

    def combine(self, context, held, uploads, state):
        update, state = super().combine(context, held, uploads, state)
        if self.fault == "changes held":
            held.mul_(2.0)
        elif self.fault == "changes uploads":
            uploads[0].delta.zero_()
        elif self.fault == "past the channel":
            SECRET["update"] = update
        return update, state

    def load(self, model, held):
        if self.fault == "loads nothing":
            return
        super().load(model, held)

    def refuses(self, compatibility):
        if self.fault == "refuses everything":
            return "no"
        if self.fault == "two lines" and compatibility.partial:
            return "not\nthat"
        return super().refuses(compatibility)


FAULTS = {
    "unsuitable": "trains a tiny model",
    "changes start": "changes nothing that it is given",
    "changes memory": "changes nothing that it is given",
    "changes held": "changes nothing that it is given",
    "changes uploads": "changes nothing that it is given",
    "global random": "leaves the global random state alone",
    "counts calls": "the same inputs give the same outputs",
    "short": "says what it holds and sends",
    "not finite": "says what it holds and sends",
    "double": "says what it holds and sends",
    "past the channel": "up fp32, down fp32",
    "forgets in a checkpoint": "resumes from a checkpoint",
    "loads nothing": "loads what is held into any model",
    "refuses everything": "says what it holds and sends",
    "two lines": "refuses in one line",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_rule_is_found(fault):
    SECRET.clear()
    COUNT.clear()
    findings = check_algorithm(Broken(local_steps=2, fault=fault))
    assert FAULTS[fault] in [finding.property for finding in findings if not finding.passed]


def test_without_a_fault_nothing_is_found():
    assert [f for f in check_algorithm(Broken(local_steps=2)) if not f.passed] == []


@dataclass(frozen=True)
class OnText(FedAvg):
    """Names the model that it is to be checked on."""

    name = "on-text"
    example_model: ClassVar = {"model": "tiny-bert", "adapter": {"name": "lora", "rank": 3}}

    def synced_layout(self, model):
        if model.layout.numel < 1000 or getattr(model, "task", None) is None:
            raise ValueError("needs a transformer")
        return super().synced_layout(model)


def test_an_algorithm_names_its_own_tiny_model():
    findings = check_algorithm(OnText(**OnText.examples[0]))
    assert [finding for finding in findings if not finding.passed] == []
