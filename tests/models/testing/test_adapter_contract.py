"""Every adapter keeps the contract, and the contract finds one fault at a time."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from fedbytes.models import ADAPTERS, Adapter, check_adapter, make_adapter

SPECS = [
    {"name": name, **fields} for name in ADAPTERS.names() for fields in ADAPTERS.get(name).examples
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_keeps_the_contract(spec):
    findings = check_adapter(make_adapter(spec))
    assert len(findings) >= 7
    assert [found for found in findings if not found.passed] == []


@dataclass(frozen=True)
class Broken(Adapter):
    """Scales the embeddings, and breaks one rule."""

    fault: str = "none"
    name = "broken"

    def attach(self, backbone):
        module = backbone.get_input_embeddings()
        width = module.weight.shape[1]
        plain, start = module.forward, torch.ones(width)
        if self.fault == "global start":
            start = torch.rand(width) + 0.5
        if self.fault == "writes":
            module.weight.data[5] += 0.01
        if self.fault == "changes the class":
            nn.Embedding.forward = lambda self, x: nn.functional.embedding(x, self.weight) * 1.5
        module.scale = nn.Parameter(torch.ones(width))
        if self.fault == "forgets":
            module.other = nn.Parameter(torch.ones(width))
        if self.fault == "global forward":
            module.forward = lambda x: plain(x) * module.scale * (1 + 1e-3 * torch.rand(()))
        elif self.fault != "unused":
            module.forward = lambda x: plain(x) * module.scale
        prefix = next(n for n, p in backbone.named_parameters() if p is module.scale)

        def draw(rng: np.random.Generator, like: torch.Tensor) -> torch.Tensor:
            return start * (torch.nan if self.fault == "nan" else 1.0)

        names = {prefix: draw}
        return names | ({"nowhere": draw} if self.fault == "unknown" else {})


@pytest.fixture
def embedding():
    plain = nn.Embedding.forward
    yield
    nn.Embedding.forward = plain


@pytest.fixture
def fresh_bases():
    from fedbytes.models import forget_bases

    yield
    forget_bases()


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("none", ""),
        ("global start", "its seed alone"),
        ("global forward", "global random"),
        ("writes", "leaves the shared base"),
        ("changes the class", "leaves the shared base"),
        ("forgets", "finite and counted"),
        ("nan", "finite and counted"),
        ("unused", "lowers the loss"),
        ("unknown", "attaches"),
    ],
)
def test_faults_are_found(fault, where, embedding, fresh_bases):
    failed = [found for found in check_adapter(Broken(fault)) if not found.passed]
    assert bool(failed) == bool(where), failed
    assert any(where in found.property for found in failed) or not where, failed


def test_an_adapter_that_fits_no_model_is_told_why():
    class Nowhere(Broken):
        def attach(self, backbone):
            raise ValueError("there is no such layer")

    (found,) = check_adapter(Nowhere())
    assert not found.passed
    assert "there is no such layer" in found.message
