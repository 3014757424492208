"""DRIVE and EDEN: the papers' distortion, exact rates, no bias where a coordinate stands out."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from fedbytes.compression import Codec, Layout, Shared, make_codec
from fedbytes.compression.codec import DIGEST_BYTES, seal
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.quantisers.lloyd_max import lloyd_max_levels
from fedbytes.compression.testing.sample_vectors import draw_vector

NUMEL = 100_000


def _coded(codec: Codec, x: np.ndarray, round: int = 0) -> tuple[bytes, np.ndarray]:
    shared = Shared(Layout({"x": (x.size,)}), round=round)
    data = codec.encode(torch.from_numpy(x), shared)
    return data, codec.decode(data, shared).numpy()


def _nmse(y: np.ndarray, x: np.ndarray) -> float:
    return float(((y - x) ** 2).sum() / (x**2).sum())


@pytest.mark.parametrize("bits", range(1, 9))
def test_levels_are_the_means_of_their_cells(bits: int) -> None:
    found = lloyd_max_levels(bits).astype(np.float64)
    edges = np.concatenate(([0], (found[1:] + found[:-1]) / 2, [np.inf]))
    means = -np.diff(norm.pdf(edges)) / np.diff(norm.cdf(edges))
    assert np.abs(found - means).max() < 1e-4


@pytest.mark.parametrize("distribution", ["gauss", "t3", "lora"])
@pytest.mark.parametrize(
    ("bits", "distortion"),
    [(1, 0.36338), (2, 0.11748), (3, 0.034548), (4, 0.009501), (8, 4.119e-5)],
)
def test_distortion_is_that_of_a_gaussian_whatever_the_vector(
    bits: int, distortion: float, distribution: str
) -> None:
    x = draw_vector(distribution, NUMEL, np.random.default_rng(0))
    for scale, expected in (("biased", distortion), ("unbiased", distortion / (1 - distortion))):
        data, y = _coded(make_codec("eden", bits=bits, scale=scale), x)
        assert np.isclose(_nmse(y, x), expected, rtol=0.04)
        packed = -(-NUMEL * bits // 8)
        assert len(data) == packed + 2 + 4 * 25 + DIGEST_BYTES  # exponent, 25 groups' scales


@pytest.mark.parametrize("bits", [0.1, 0.5, 1.25, 1.5, 2.7, 7.5])
def test_fractional_rates_mix_the_neighbours(bits: int) -> None:
    x = draw_vector("gauss", NUMEL, np.random.default_rng(0))
    distortion = [1, 0.36338, 0.11748, 0.034548, 0.009501, 0, 0, 1.6348e-4, 4.119e-5]
    width, share = int(bits), bits - int(bits)
    mixed = (1 - share) * distortion[width] + share * distortion[width + 1]
    data, y = _coded(make_codec("eden", bits=bits), x)
    assert np.isclose(_nmse(y, x), mixed / (1 - mixed), rtol=0.04)
    assert 8 * len(data) / NUMEL < bits + 0.01
    y = _coded(make_codec("eden", bits=bits, scale="biased"), x)[1]
    assert np.isclose(_nmse(y, x), mixed, rtol=0.04)


def test_drives_scales_are_least_squares_and_exact_projection() -> None:
    x = draw_vector("t3", 4096, np.random.default_rng(0))
    biased = _coded(make_codec("drive", scale="biased"), x)[1]
    unbiased = _coded(make_codec("drive"), x)[1]
    ratio = np.linalg.norm(unbiased) / np.linalg.norm(biased)
    assert np.allclose(unbiased, ratio * biased, atol=1e-5)
    assert np.isclose(float(biased @ x), float(biased @ biased), rtol=1e-5)  # least squares
    assert np.isclose(float(unbiased @ x), float(x @ x), rtol=1e-5)  # exact projection


@pytest.mark.parametrize("bits", [1, 2, 0.5])
def test_no_bias_towards_a_coordinate_that_stands_out(bits: float) -> None:
    x = draw_vector("gauss", 1024, np.random.default_rng(0))
    x[5] = 0.5 * np.linalg.norm(x)  # a fifth of the energy: one round of signs fails here
    codec = make_codec("eden", bits=bits)
    found = np.array([_coded(codec, x, round)[1][5] for round in range(400)], np.float64)
    error = abs(found.mean() - x[5]) / (found.std() / 20)
    assert error < 5


def test_means_get_better_with_the_clients() -> None:
    x = draw_vector("lora", 20_000, np.random.default_rng(0))
    codec = make_codec("eden", bits=1)
    found = np.mean([_coded(codec, x, round)[1] for round in range(64)], axis=0)
    assert _nmse(found, x) < 0.571 / 64 * 1.2


@pytest.mark.parametrize("name", ["drive", "eden"])
def test_long_vectors_are_the_same_without_numba(name: str) -> None:
    x = draw_vector("t3", 9001, np.random.default_rng(0))
    data, y = _coded(make_codec(name), x)
    with numpy_only():
        data_too, y_too = _coded(make_codec(name), x)
    assert data == data_too
    assert np.array_equal(y, y_too)


@pytest.mark.parametrize("scale", [-1.0, np.nan, np.inf, 1e30])
def test_scales_out_of_range_are_refused(scale: float) -> None:
    codec, shared = make_codec("eden"), Shared(Layout({"x": (100,)}))
    body = bytearray(codec.encode(torch.ones(100), shared)[:-DIGEST_BYTES])
    body[2:6] = np.array(scale, "<f4").tobytes()
    with pytest.raises(ValueError, match="scales"):
        codec.decode(seal(codec, bytes(body), shared), shared)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("eden", {"bits": 0}, r"bits must be in \[0.01, 8\], got 0"),
        ("eden", {"bits": 9}, "got 9"),
        ("eden", {"scale": "best"}, "got 'best'"),
        ("drive", {"scale": "best"}, "got 'best'"),
    ],
)
def test_wrong_fields_are_named(name: str, fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_codec(name, **fields)
