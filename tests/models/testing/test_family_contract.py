"""Every family keeps the contract, and the contract finds one fault at a time."""

from dataclasses import dataclass

import pytest
import torch

from fedbytes.models import FAMILIES, check_family
from fedbytes.models.base.families.llama import Llama

SPECS = [
    {"name": name, **fields} for name in FAMILIES.names() for fields in FAMILIES.get(name).examples
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_keeps_the_contract(spec):
    assert [found for found in check_family(FAMILIES.make(spec)) if not found.passed] == []


@dataclass(frozen=True)
class Broken(Llama):
    fault: str = "none"
    name = "broken"

    def config(self, tokens, max_length):
        return super().config(tokens // 2 if self.fault == "few tokens" else tokens, max_length)

    def initial(self, parameter):
        plain = super().initial(parameter)
        if self.fault == "nan":
            return lambda rng, like: plain(rng, like) * torch.nan
        if self.fault == "global":
            return lambda rng, like: torch.randn(like.shape) * 0.02
        if self.fault == "far":
            return lambda rng, like: plain(rng, like) * 1000
        return plain


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("none", ""),
        ("few tokens", "makes a model"),
        ("nan", "draws every parameter"),
        ("global", "its seed alone"),
        ("far", "as good as guessing"),
    ],
)
def test_faults_are_found(fault, where):
    small = Broken(hidden_size=32, layers=1, heads=2, fault=fault)
    failed = [found.property for found in check_family(small) if not found.passed]
    assert bool(failed) == bool(where), failed
    assert any(where in name for name in failed) or not where, failed
