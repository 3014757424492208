"""The cosine transform: what scipy computes, undone exactly, and the same on every platform."""

import numpy as np
import pytest
import scipy.fft
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.numerics.dct import _cosines, dct, inverse_dct
from fedbytes.compression.testing.sample_vectors import draw_vector
from fedbytes.compression.transform import make_transform


def _x(n: int) -> np.ndarray:
    return draw_vector("gauss", n, np.random.default_rng(n))


@pytest.mark.parametrize("chunk", [2, 4, 64, 4096])
def test_it_is_the_orthonormal_dct_ii(chunk: int) -> None:
    x = _x(3 * chunk)
    theirs = scipy.fft.dct(x.reshape(3, chunk).astype(np.float64), norm="ortho", axis=1)
    np.testing.assert_allclose(dct(x, chunk), theirs.ravel(), rtol=0, atol=5e-7)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 63, 64, 65, 201, 40_001])
@pytest.mark.parametrize("chunk", [2, 64, 4096])
def test_it_is_undone_whatever_the_length(n: int, chunk: int) -> None:
    x = _x(n)
    y = dct(x, chunk)
    assert np.isclose(np.linalg.norm(y), np.linalg.norm(x), rtol=1e-6)
    np.testing.assert_allclose(inverse_dct(y, chunk), x, rtol=0, atol=1e-6)


def test_the_tail_is_cut_into_powers_of_two() -> None:
    x = _x(64 + 8 + 1)
    y = dct(x, 64)
    np.testing.assert_allclose(y[64:72], scipy.fft.dct(x[64:72], norm="ortho"), atol=1e-6)
    assert y[72] == x[72]


def test_cosines_are_right_to_the_last_bits() -> None:
    for size in (2, 8, 1024, 4096):
        expected = np.cos(np.pi * (np.arange(size // 2) + 0.5) / size)
        np.testing.assert_allclose(_cosines(size), expected, rtol=1e-11)


def test_what_is_smooth_becomes_few_coefficients() -> None:
    # A wave along each chunk: top-k of the coefficients keeps what top-k of the numbers loses.
    n = 4096
    wave = torch.sin(torch.arange(n) / 20) + 0.01 * torch.from_numpy(_x(n))
    topk = {"name": "chunked_topk", "chunk": 64, "k": 6, "bits": 16}
    lost = {}
    for transforms in ([], [{"name": "dct", "chunk": 64}]):
        spec = {"name": "chain", "transforms": transforms, "codec": topk} if transforms else topk
        codec, shared = make_codec(spec), Shared(Layout({"x": (n,)}))
        y = codec.decode(codec.encode(wave, shared), shared)
        lost[len(transforms)] = float((y - wave).square().sum() / wave.square().sum())
    assert lost[1] < 0.02 < 0.5 < lost[0]


@pytest.mark.parametrize("chunk", [0, 1, 63, 96, 8192])
def test_chunks_that_are_no_powers_of_two_are_refused(chunk: int) -> None:
    with pytest.raises(ValueError, match=f"chunk must be one of 2, 4, .*, 4096, got {chunk}"):
        make_transform("dct", chunk=chunk)
