"""Every transform keeps the contract, and the contract finds one fault at a time."""

from dataclasses import dataclass

import numpy as np
import pytest

from fedbytes.compression import (
    TRANSFORMS,
    Transform,
    Transformed,
    check_transform,
    make_transform,
)

SPECS = [
    {"name": name, **fields}
    for name in TRANSFORMS.names()
    for fields in TRANSFORMS.get(name).examples
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_keeps_the_contract(spec):
    assert [found for found in check_transform(make_transform(spec)) if not found.passed] == []


@pytest.fixture(autouse=True)
def isolated():
    with TRANSFORMS.isolated():
        TRANSFORMS.register("broken")(Broken)
        yield


@dataclass(frozen=True)
class Broken(Transform):
    """Sends a vector as it is, and breaks one rule."""

    fault: str = "none"

    @property
    def unbiased(self):
        return self.fault == "biased"

    @property
    def contracts(self):
        return self.fault != "biased"

    @property
    def sparse(self):
        return True

    def forward(self, x, shared):
        if self.fault == "writes":
            x[:1] = 0
        if self.fault == "global":
            np.random.rand()  # noqa: NPY002
        side = b"side" if self.fault == "side" else b""
        kept = x[: self.sent(x.size)]
        return Transformed(side, kept.astype(np.float64) if self.fault == "wide" else kept)

    def sent(self, numel):
        return numel // 2 if self.fault == "dense" else numel

    def read(self, reader, shared):
        return self.sent(shared.layout.numel) + (self.fault == "length"), None

    def inverse(self, y, side, shared):
        if self.fault == "dense":
            return np.concatenate([y, np.full(shared.layout.numel - y.size, 1e-3, np.float32)])
        if self.fault in ("expands", "biased"):
            y *= np.float32(3 if self.fault == "expands" else 0.9)
        return np.clip(y, -3e38, 3e38, out=y)


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("none", ""),
        ("writes", "there and back"),
        ("global", "global random"),
        ("side", "there and back"),
        ("wide", "there and back"),
        ("length", "there and back"),
        ("dense", "sparse"),
        ("biased", "before fp32: unbiased"),
        ("expands", "before fp32: contracts"),
    ],
)
def test_faults_are_found(fault, where):
    failed = [found for found in check_transform(Broken(fault)) if not found.passed]
    assert bool(failed) == bool(where), failed
    assert any(where in found.property for found in failed) or not where, failed
