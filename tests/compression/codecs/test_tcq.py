"""The trellis: its search finds the best path, its numpy twin the same one, its rates are met."""

import itertools
import math

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.codec import DIGEST_BYTES, seal
from fedbytes.compression.codecs.tcq.loops.trellis_loops import LEVEL_CAP
from fedbytes.compression.codecs.tcq.search import TRELLISES, search_path, trellis_lanes
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.testing.sample_vectors import draw_vector

MILLION = 1_000_000


def _coded(spec: dict, x: np.ndarray, round: int = 0) -> tuple[bytes, np.ndarray]:
    codec, shared = make_codec(spec), Shared(Layout({"x": (x.size,)}), round=round)
    data = codec.encode(torch.from_numpy(x), shared)
    return data, codec.decode(data, shared).numpy()


def _nmse(y: np.ndarray, x: np.ndarray) -> float:
    wide = x.astype(np.float64)
    return float(((y - wide) ** 2).sum() / (wide**2).sum())


@pytest.mark.parametrize(
    ("distribution", "bits", "limit"),
    [
        ("gauss", 0.5, 0.8),
        ("gauss", 1.0, 0.85),
        ("gauss", 2.0, 0.7),
        ("gauss", 4.0, 0.7),
        ("t3", 2.0, 10 * math.log10(0.052 * 16)),
    ],
)
def test_tcq_is_near_the_gaussian_bound(distribution: str, bits: float, limit: float) -> None:
    x = draw_vector(distribution, MILLION, np.random.default_rng(11))
    data, y = _coded({"name": "tcq", "bits": bits}, x)
    rate, nmse = 8 * len(data) / MILLION, _nmse(y, x)
    if distribution == "t3":  # the sample's own variance hangs on a few outliers
        nmse *= float((x.astype(np.float64) ** 2).mean()) / 3
    assert abs(rate / bits - 1) < 0.02
    assert 10 * math.log10(nmse * 4**rate) < limit


@pytest.mark.parametrize(
    ("name", "bits", "limit"),
    [("ecsq", 1.0, 0.55), ("ecsq", 2.0, 0.1), ("ecsq", 4.0, 0.0058), ("tcq", 2.0, 0.083)],
)
def test_unbiased_is_near_the_best_unbiased_error(name: str, bits: float, limit: float) -> None:
    for distribution in ("gauss", "t3"):  # the rotation makes them alike
        x = draw_vector(distribution, MILLION, np.random.default_rng(12))
        data, y = _coded({"name": name, "bits": bits, "rounding": "unbiased"}, x)
        assert abs(8 * len(data) / MILLION / bits - 1) < 0.02
        assert _nmse(y, x) < limit


@pytest.mark.parametrize("name", ["ecsq", "tcq"])
def test_unbiased_keeps_the_mean_of_faint_parts(name: str) -> None:
    # Groups of 16384 with energies from 1 to 1e-6: a common step alone would silence the faint.
    generator = np.random.default_rng(5)
    x = draw_vector("gauss", 4 * 16384, generator) * np.repeat([1, 0.1, 0.01, 0.001], 16384)
    x = x.astype(np.float32)
    draws = [_coded({"name": name, "bits": 1.0, "rounding": "unbiased"}, x, r) for r in range(20)]
    for part in np.split(np.arange(x.size), 4):
        own = [float((y[part] @ x[part]) / (x[part] @ x[part])) for _, y in draws]
        assert abs(np.mean(own) - 1) < 0.03


@pytest.mark.parametrize("states", [4, 8])
def test_the_search_finds_the_path_of_least_cost(states: int) -> None:
    trellis, generator = TRELLISES[states], np.random.default_rng(states)
    offsets = np.array([[0, 0.1, 0.05, 0], [0, 0.2, 0, -0.1]], np.float32)
    rates = np.tile(np.arange(LEVEL_CAP + 1, dtype=np.float32) / 4, (2, 1))
    x = 2 * generator.standard_normal(6, np.float32)
    path = search_path(x, 1.0, trellis, offsets, rates)

    def cost(levels: tuple[int, ...]) -> float:
        state, total = 0, 0.0
        for value, k in zip(np.abs(x), levels, strict=True):
            c = int(trellis.classes[state])
            point = (2 * k - c) * (k > 0) + offsets[c, min(k, 3)]
            total += (float(value) - point) ** 2 + float(rates[c, k])
            state = int(trellis.next_states[state, k % 2])
        return total

    best = min(map(cost, itertools.product(range(5), repeat=x.size)))
    found = tuple(((path.numbers + 1) >> 1).tolist())
    assert math.isclose(cost(found), best, rel_tol=1e-5)


def test_lanes_are_long() -> None:
    assert [trellis_lanes(n) for n in (0, 1, 511, 512, 8191, 8192, 10**9)] == [
        1,
        1,
        1,
        2,
        16,
        32,
        32,
    ]


@pytest.mark.parametrize("spec", [{"bits": 1.3}, {"bits": 9.0, "states": 4}], ids=str)
def test_numpy_alone_writes_the_same_bytes(spec: dict) -> None:
    x = draw_vector("t3", 20_011, np.random.default_rng(0))
    data, y = _coded({"name": "tcq", **spec}, x)
    with numpy_only():
        again, z = _coded({"name": "tcq", **spec}, x)
    assert again == data
    assert np.array_equal(y, z)


def test_tcq_keeps_something_where_the_rate_would_drop_everything() -> None:
    signs = np.random.default_rng(0).choice([-1.0, 1.0], 5000).astype(np.float32)
    for fields in ({"bits": 0.05}, {"step": 30.0}):
        assert _nmse(_coded({"name": "tcq", **fields}, signs)[1], signs) < 0.9


def test_eight_states_are_better_than_four() -> None:
    x = draw_vector("gauss", 200_000, np.random.default_rng(3))
    gaps = []
    for states in (4, 8):
        data, y = _coded({"name": "tcq", "bits": 2.0, "states": states}, x)
        gaps.append(_nmse(y, x) * 4 ** (8 * len(data) / x.size))
    assert gaps[1] < 0.985 * gaps[0]


def test_levels_that_are_no_path_are_refused() -> None:
    x = draw_vector("gauss", 1000, np.random.default_rng(3))
    codec, shared = make_codec("tcq"), Shared(Layout({"x": (1000,)}))
    body = bytearray(codec.encode(torch.from_numpy(x), shared)[:-DIGEST_BYTES])
    place = 1 + 2 + 4 + 6  # the count of class 0
    body[place] ^= 1
    with pytest.raises(ValueError, match="tcq payload"):
        codec.decode(seal(codec, bytes(body), shared), shared)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bits": 0}, r"bits must be in \[0.05, 16\]"),
        ({"step": 100.0}, r"step must be in \[1/4096, 64\], got 100.0"),
        ({"bits": 1.0, "step": 1.0}, "not both"),
        ({"states": 16}, "states"),
        ({"rounding": "up"}, "rounding"),
    ],
)
def test_wrong_fields_are_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec("tcq", **fields)
