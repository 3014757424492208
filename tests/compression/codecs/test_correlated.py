"""Correlated quantisation: dither that is uniform for each client and even over them."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.quantisers.dither import common_dither, fold_signs, unfold_signs
from fedbytes.compression.quantisers.uniform import quantise_uniform
from fedbytes.compression.testing.sample_vectors import draw_vector

LAYOUT = Layout({"x": (4000,)})


def _dither(place: int, **fields: int) -> np.ndarray:
    return common_dither(Shared(LAYOUT, place=place, **fields), "test")


def test_each_clients_dither_is_uniform_and_not_the_others() -> None:
    for place in (0, 1, 5, 1000):
        values = np.sort(_dither(place).astype(np.float64)) + 0.5
        even = (np.arange(values.size) + 0.5) / values.size
        assert np.abs(values - even).max() < 0.04  # Kolmogorov-Smirnov, about 1e-11
    assert not np.array_equal(_dither(0), _dither(1))
    assert not np.array_equal(_dither(0), _dither(0, round=1))
    assert np.array_equal(_dither(3, sender=7), _dither(3, sender=9))


@pytest.mark.parametrize("first", [0, 8, 24])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_consecutive_places_are_spaced_evenly_at_every_coordinate(first: int, count: int) -> None:
    values = np.sort([_dither(first + p).astype(np.float64) for p in range(count)], axis=0)
    np.testing.assert_allclose(np.diff(values, axis=0), 1 / count, rtol=1e-6)


def test_without_a_place_the_sender_counts() -> None:
    shared = Shared(LAYOUT, sender=3)
    assert np.array_equal(common_dither(shared, "test"), _dither(3))


def test_folding_comes_back() -> None:
    dither = _dither(2)
    x = draw_vector("gauss", dither.size, np.random.default_rng(0))
    folded = fold_signs(x, dither) + np.abs(dither)
    np.testing.assert_allclose(unfold_signs(folded, dither, 1.0), x, atol=3e-7)


def _mean_loss(spec: dict, clients: int, correlation: float, numel: int = 50_000) -> float:
    generator = np.random.default_rng(0)
    codec, layout = make_codec(spec), Layout({"x": (numel,)})
    common = draw_vector("gauss", numel, generator)
    true, found = np.zeros(numel), np.zeros(numel)
    for place in range(clients):
        own = draw_vector("gauss", numel, generator)
        x = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
        x = torch.from_numpy(x.astype(np.float32))
        shared = Shared(layout, sender=100 + 7 * place, place=place)
        true += x.numpy()
        found += codec.decode(codec.encode(x, shared), shared).numpy()
    return float(((found - true) ** 2).sum() / (true**2).sum())


def test_the_mean_of_clients_that_agree_is_better_than_with_independent_dither() -> None:
    ours = _mean_loss({"name": "correlated", "step": 2.3}, 16, 0.9)
    independent = _mean_loss({"name": "ecsq", "step": 2.3, "rounding": "dither"}, 16, 0.9)
    assert ours < 0.8 * independent
    assert _mean_loss({"name": "correlated", "step": 2.3}, 16, 1.0) < 0.25 * independent


def test_nothing_is_lost_where_clients_do_not_agree() -> None:
    ours = _mean_loss({"name": "correlated", "step": 2.3}, 16, 0.0)
    assert ours < 1.02 * _mean_loss({"name": "ecsq", "step": 2.3, "rounding": "dither"}, 16, 0.0)


def test_folding_saves_bits() -> None:
    generator = np.random.default_rng(1)
    x = draw_vector("gauss", 100_000, generator)
    dither = generator.random(x.size, np.float32) - np.float32(0.5)
    plain = quantise_uniform(x, 2.3, dither)
    folded = quantise_uniform(fold_signs(x, dither), 2.3, np.abs(dither))
    assert 8 * (plain.size() - folded.size()) / x.size > 0.12


@pytest.mark.parametrize("bits", [0.5, 1.0, 2.0, 4.0])
def test_the_rate_is_met(bits: float) -> None:
    x = torch.from_numpy(draw_vector("gauss", 200_000, np.random.default_rng(2)))
    data = make_codec("correlated", bits=bits).encode(x, Shared(Layout({"x": (200_000,)})))
    assert abs(8 * len(data) / 200_000 / bits - 1) < 0.02


def test_a_rate_and_a_step_are_too_much() -> None:
    with pytest.raises(ValueError, match=r"not both; got bits=1.0, step=1.0"):
        make_codec("correlated", bits=1.0, step=1.0)
