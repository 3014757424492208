"""The transform contract: a vector there and back, and a codec made of the transform and fp32."""

from dataclasses import replace

import numpy as np

from fedbytes.compression.codec import Floats, make_codec
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.testing.codec_contract import check_codec
from fedbytes.compression.testing.sample_vectors import edge_cases, sample_layout
from fedbytes.compression.transform import TRANSFORMS, Transform
from fedbytes.testing import Check, Finding, check_spec, no_global_random, require, run_checks


def check_transform(transform: Transform) -> list[Finding]:
    """Run every contract check over a transform.

    In front of fp32, which loses nothing, it must keep the whole codec contract: damaged and
    hostile bytes beside the vector, memory, and that it is unbiased or contracts if it says so.

    Args:
        transform: any instance, registered so that a codec made of it has a specification.
    """
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(TRANSFORMS, transform)),
        ("there and back", lambda: _check_round_trips(transform)),
        ("sparse as it says", lambda: _check_sparse(transform)),
        ("leaves the global random state alone", lambda: _check_global_random(transform)),
    ]
    coded = make_codec("chain", transforms=[transform], codec="fp32")
    return run_checks(checks) + [
        replace(found, property=f"before fp32: {found.property}") for found in check_codec(coded)
    ]


def _shared(x: Floats) -> Shared:
    return Shared(sample_layout(x.size), seed=1, round=2, sender=3)


def _there_and_back(transform: Transform, x: Floats) -> tuple[Floats, Floats, bytes]:
    """Return the vector [m] that a codec would see, what comes back [n], and the side bytes."""
    shared = _shared(x)
    found = transform.forward(x, shared)
    reader = Reader(memoryview(found.side), transform.name)
    size, side = transform.read(reader, shared)
    require(len(reader.rest()) == 0, "read leaves side bytes over")
    require(size == found.vector.size, f"read says {size} coordinates, not {found.vector.size}")
    return found.vector, transform.inverse(found.vector.copy(), side, shared), found.side


def _check_round_trips(transform: Transform) -> str:
    cases = edge_cases(np.random.default_rng(0))
    for name, x in cases.items():
        given = x.copy()
        first, second = (_there_and_back(transform, given) for _ in range(2))
        require(np.array_equal(given, x), f"{name}: forward changed its input")
        for what, vector in (("forward", first[0]), ("inverse", first[1])):
            require(vector.dtype == np.float32, f"{name}: {what} gives {vector.dtype}, not float32")
            require(vector.ndim == 1, f"{name}: {what} gives {vector.ndim} dimensions")
            require(bool(np.isfinite(vector).all()), f"{name}: {what} is not finite")
        require(first[1].size == x.size, f"{name}: {first[1].size} of {x.size} come back")
        again = [np.array_equal(a, b) for a, b in zip(first[:2], second[:2], strict=True)]
        require(all(again) and first[2] == second[2], f"{name}: the second time differs")
    return f"{len(cases)} vectors"


def _check_sparse(transform: Transform) -> str:
    """Coordinates that a sparse transform does not send must decode to zero."""
    if not transform.sparse:
        return "not sparse"
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    sent, back, _ = _there_and_back(transform, x)
    found = int(np.count_nonzero(back))
    require(found <= sent.size, f"{found} coordinates come back of {sent.size} sent")
    return f"{sent.size} of 1000 sent"


def _check_global_random(transform: Transform) -> str:
    with no_global_random():
        _there_and_back(transform, np.ones(100, np.float32))
    return ""
