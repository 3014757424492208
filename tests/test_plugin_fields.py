"""Bounds of plug-ins' fields: declared once, checked however the plug-in is made."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from fedbytes.plugin_fields import Plugin, added_field, bounded, bounds_of, stated_fields
from fedbytes.registry import Registry


class Kind(Plugin):
    """What plug-ins of this test derive from."""


KIND: Registry[Kind] = Registry("kind", Kind, "fedbytes.federated.algorithms")


@dataclass(frozen=True)
class Nested:
    nmi: float = bounded(0.5, above=0, below=1)


@KIND.register("gauge")
@dataclass(frozen=True)
class Gauge(Kind):
    density: float = bounded(0.01, above=0, most=1)
    rank: int = bounded(8, least=1)
    norm: float | None = bounded(None, above=0, most=math.inf)
    step: float = bounded(1.0, least=2.0**-12, most=64)
    block: int = bounded(256, least=8, multiple=8)
    bits: int = bounded(8, choices=(4, 8))
    ranks: tuple[int, ...] = bounded((), least=1)
    shift: float = bounded(0.0)
    scale: Literal["up", "down"] = "up"
    gamma: float = added_field(bounded(1.0, least=0))
    nested: Nested = dataclasses.field(default_factory=Nested)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("density", 2, "gauge: density must be in (0, 1], got 2"),
        ("density", 0.0, "gauge: density must be in (0, 1], got 0.0"),
        ("density", math.nan, "gauge: density must be in (0, 1], got nan"),
        ("density", None, "gauge: density must be in (0, 1], got None"),
        ("density", "much", "gauge: density must be in (0, 1], got 'much'"),
        ("rank", 0, "gauge: rank must be at least 1, got 0"),
        ("rank", math.inf, "gauge: rank must be at least 1 and finite, got inf"),
        ("norm", 0.0, "gauge: norm must be above 0, got 0.0"),
        ("step", 1e-4, "gauge: step must be in [1/4096, 64], got 0.0001"),
        ("step", math.inf, "gauge: step must be in [1/4096, 64], got inf"),
        ("block", 12, "gauge: block must be at least 8 and a multiple of 8, got 12"),
        ("block", 0, "gauge: block must be at least 8 and a multiple of 8, got 0"),
        ("bits", 5, "gauge: bits must be one of 4, 8, got 5"),
        ("ranks", (4, 0), "gauge: ranks must be at least 1, got 0"),
        ("shift", math.inf, "gauge: shift must be finite, got inf"),
        ("scale", "round", "gauge: scale must be one of up, down, got 'round'"),
        ("gamma", -1.0, "gauge: gamma must be at least 0, got -1.0"),
    ],
)
def test_a_value_out_of_bounds_is_refused_on_both_ways(field: str, value: Any, message: str):
    with pytest.raises(ValueError) as direct:
        Gauge(**{field: value})
    assert str(direct.value) == message
    with pytest.raises(ValueError, match=f"{field} must be"):
        KIND.make("gauge", **{field: value})
    with pytest.raises(ValueError) as replaced:
        dataclasses.replace(Gauge(), **{field: value})
    assert str(replaced.value) == message


def test_what_is_within_the_bounds_is_taken():
    gauge = Gauge(density=1, rank=1, norm=math.inf, step=2.0**-12, block=16, ranks=(1, 2), gamma=0)
    assert gauge.norm == math.inf
    assert Gauge(norm=None).norm is None


def test_a_subclass_that_gives_another_default_keeps_the_bounds():
    @dataclass(frozen=True)
    class Finer(Gauge):
        density: float = 0.001
        rank: int = bounded(4, least=2)

    assert Finer().density == 0.001
    with pytest.raises(ValueError, match=r"density must be in \(0, 1\], got 0"):
        Finer(density=0)
    with pytest.raises(ValueError, match="rank must be at least 2, got 1"):
        Finer(rank=1)


def test_the_registry_checks_what_is_no_plugin_of_its_own():
    with pytest.raises(ValueError, match=r"kind 'gauge': nested.nmi must be in \(0, 1\), got 1.0"):
        KIND.make("gauge", nested={"nmi": 1.0})


def test_the_registry_checks_a_class_that_forgets_its_base():
    @dataclass(frozen=True)
    class Forgetful(Kind):
        rank: int = bounded(1, least=1)

        def __post_init__(self) -> None:
            pass

    registry: Registry[Kind] = Registry("kind", Kind, "fedbytes.federated.algorithms")
    registry.register("forgetful")(Forgetful)
    with pytest.raises(ValueError, match="forgetful: rank must be at least 1, got 0"):
        registry.make("forgetful", rank=0)


def test_added_fields_at_their_default_are_not_stated():
    assert "gamma" not in stated_fields(Gauge())
    assert stated_fields(Gauge(gamma=0.5))["gamma"] == 0.5

    @dataclass
    class Grown:
        seen: dict[str, int] = added_field(default_factory=dict)

    assert stated_fields(Grown()) == {}
    assert stated_fields(Grown({"a": 1})) == {"seen": {"a": 1}}


def test_bounds_are_read_as_words():
    words = {name: str(bounds) for name, bounds in bounds_of(Gauge).items()}
    assert words["density"] == "in (0, 1]"
    assert words["norm"] == "above 0"
    assert words["scale"] == "one of up, down"


@KIND.register("revised")
@dataclass(frozen=True)
class Revised(Kind):
    """Its numbers changed where it is fast."""

    fast: bool = False

    @property
    def revision(self) -> int:
        return 2 if self.fast else 1


def test_a_revision_stands_in_the_specification_from_2_on() -> None:
    assert KIND.spec(KIND.make("revised")) == {"name": "revised", "fast": False}
    stated = KIND.spec(KIND.make("revised", fast=True))
    assert stated == {"name": "revised", "revision": 2, "fast": True}
    assert KIND.make(stated) == Revised(fast=True)


@pytest.mark.parametrize("given", [1, 3])
def test_the_revision_of_another_release_is_refused(given: int) -> None:
    with pytest.raises(ValueError, match=f"at revision 2 .* of revision {given}: leave"):
        KIND.make({"name": "revised", "revision": given, "fast": True})
