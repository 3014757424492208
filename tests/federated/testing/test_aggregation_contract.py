"""Every registered aggregation keeps the contract; a broken one is found out."""

from dataclasses import dataclass

import pytest

from fedbytes.federated.aggregation import AGGREGATIONS, DecodeEach, make_aggregation
from fedbytes.federated.exchange.sessions import ClientSession
from fedbytes.federated.testing.aggregation_contract import check_aggregation

CONFIGURED = [
    make_aggregation(name, **fields)
    for name in AGGREGATIONS.names()
    for fields in AGGREGATIONS.get(name).examples
]


@pytest.mark.parametrize("aggregation", CONFIGURED, ids=str)
def test_keeps_the_contract(aggregation):
    findings = check_aggregation(aggregation)
    assert len(findings) == 6
    assert [finding for finding in findings if not finding.passed] == []


COUNT: list[int] = []


@dataclass(frozen=True)
class Broken(DecodeEach):
    """Breaks one rule, as told."""

    fault: str = "none"
    name = "broken"

    def client(self, sender):
        return Sends(super().client(sender), self.fault)

    def refuses(self, uplink):
        return "not\nthis" if self.fault == "two lines" and uplink.estimates else None

    @property
    def extra_bytes(self):
        return (1, 0) if self.fault == "foretells wrong" else (0, 0)


class Sends(ClientSession):
    def __init__(self, plain, fault):
        self.plain, self.fault = plain, fault

    def begin(self, trained):
        if self.fault == "half":
            trained = trained.with_delta(trained.delta / 2)
        if self.fault == "counts":
            COUNT.append(1)
            trained = trained.with_delta(trained.delta * (1 + 1e-4 * len(COUNT)))
        return self.plain.begin(trained)


FAULTS = {
    "two lines": "refuses in one line",
    "foretells wrong": "the ledger has every byte",
    "half": "the model moves by the mean",
    "counts": "clients need nothing but their messages",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_rule_is_found(fault):
    findings = check_aggregation(Broken(fault=fault))
    assert FAULTS[fault] in [finding.property for finding in findings if not finding.passed]


def test_without_a_fault_nothing_is_found():
    assert [f for f in check_aggregation(Broken()) if not f.passed] == []
