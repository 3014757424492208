"""The classic unbiased quantisers against their papers' definitions."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.codec import Floats
from fedbytes.compression.testing.sample_vectors import draw_vector

BUCKET = 512


def _through(spec: dict, x: Floats, round_: int = 0) -> tuple[Floats, float]:
    """Return what is decoded, and bits a coordinate."""
    codec, shared = make_codec(spec), Shared(Layout({"x": (x.size,)}), round=round_)
    data = codec.encode(torch.from_numpy(x), shared)
    return codec.decode(data, shared).numpy(), 8 * len(data) / x.size


def _nmse(y: Floats, x: Floats) -> float:
    return float(((y - x).astype(np.float64) ** 2).sum() / (x.astype(np.float64) ** 2).sum())


@pytest.mark.parametrize("norm", ["l2", "max"])
def test_qsgd_sends_one_of_the_two_levels_around_each_coordinate(norm: str) -> None:
    x = draw_vector("t3", 10_000, np.random.default_rng(0))
    y, _ = _through({"name": "qsgd", "levels": 5, "bucket": BUCKET, "norm": norm}, x)
    for at in range(0, x.size, BUCKET):
        part = x[at : at + BUCKET].astype(np.float64)
        unit = (np.sqrt((part**2).sum()) if norm == "l2" else np.abs(part).max()) / 5
        q = y[at : at + BUCKET] / unit
        np.testing.assert_allclose(q, np.rint(q), atol=1e-5)
        assert (np.abs(q - part / unit) < 1 + 1e-5).all()
        assert np.abs(q).max() < 5 + 1e-5


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_qsgd_contracts_where_half_a_level_is_less_than_a_coordinate(levels: int) -> None:
    bucket = 4 * levels**2
    assert make_codec("qsgd", levels=levels, bucket=bucket - 1).contracts
    codec = make_codec("qsgd", levels=levels, bucket=bucket)
    assert not codec.contracts
    # All coordinates half a level: whichever way they are rounded, all of the energy is lost.
    x = torch.ones(bucket)
    y = codec.decode(codec.encode(x, shared := Shared(Layout({"x": (bucket,)}))), shared)
    assert float((x - y).square().sum()) == pytest.approx(bucket, rel=1e-3)


@pytest.mark.parametrize(
    ("spec", "rate", "nmse"),
    [
        ({"name": "qsgd", "levels": 127}, 4.62, 0.0054),
        ({"name": "qsgd", "levels": 15}, 1.77, 0.385),
        ({"name": "qsgd", "levels": 7, "norm": "max"}, 3.28, 0.04),
        ({"name": "natural"}, 3.6, 0.083),
        ({"name": "terngrad", "bucket": 256}, 1.45, 1.5),
        ({"name": "terngrad", "clip": 2.5}, 1.26, 1.05),
    ],
    ids=str,
)
def test_rate_and_loss_on_a_gaussian(spec: dict, rate: float, nmse: float) -> None:
    x = draw_vector("gauss", 500_000, np.random.default_rng(1))
    y, bits = _through(spec, x)
    assert bits < rate
    assert _nmse(y, x) < nmse


def test_terngrad_is_ternary_and_clips_at_deviations() -> None:
    x = draw_vector("gauss", 50_000, np.random.default_rng(2)) + np.float32(0.1)
    y, _ = _through({"name": "terngrad"}, x)
    top = np.abs(x).max()
    assert np.array_equal(np.unique(y), np.array([-top, 0, top], np.float32))
    y, _ = _through({"name": "terngrad", "clip": 2.5}, x)
    np.testing.assert_allclose(np.unique(y), [-2.5 * x.std(), 0, 2.5 * x.std()], rtol=1e-4)


def test_natural_sends_powers_of_two_next_to_each_value_and_keeps_them() -> None:
    x = draw_vector("t3", 20_000, np.random.default_rng(3))
    y, _ = _through({"name": "natural"}, x)
    exact = np.exp2(np.rint(np.log2(np.abs(y))))
    assert np.array_equal(np.abs(y), exact)
    assert (np.signbit(x) == np.signbit(y)).all()
    assert ((np.abs(y) < 2 * np.abs(x)) & (np.abs(x) < 2 * np.abs(y))).all()
    again, _ = _through({"name": "natural"}, y)
    assert np.array_equal(again, y)


def test_natural_is_unbiased_for_a_subnormal_value() -> None:
    x = np.full(100_000, 3e-39, np.float32)
    y, _ = _through({"name": "natural"}, x)
    assert set(np.unique(y).tolist()) == {0.0, 2.0**-126}
    assert abs(float(y.mean(dtype=np.float64)) / 3e-39 - 1) < 0.03


def test_rounding_differs_between_rounds() -> None:
    x = draw_vector("gauss", 1000, np.random.default_rng(4))
    for name in ("qsgd", "terngrad", "natural"):
        first, other = (_through({"name": name}, x, round_)[0] for round_ in (0, 1))
        assert not np.array_equal(first, other)
