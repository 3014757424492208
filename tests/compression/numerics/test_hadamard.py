"""The random rotation: orthogonal, undone, mixing, and the same with and without numba."""

import numpy as np
import pytest

from fedbytes.compression.numerics.hadamard import BLOCK, block_borders, inverse_rotate, rotate
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.testing.sample_vectors import draw_vector

LENGTHS = [1, 2, 3, 5, 31, 32, 33, 64, 100, 201, 1000, 2047, BLOCK, BLOCK + 1, 3 * BLOCK - 1, 20000]


def _generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 32, 37, 100])
def test_rows_are_orthonormal(n: int) -> None:
    columns = [rotate(row, _generator()) for row in np.eye(n, dtype=np.float32)]
    matrix = np.array(columns, np.float64)
    assert np.allclose(matrix @ matrix.T, np.eye(n), atol=1e-6)


@pytest.mark.parametrize("n", LENGTHS)
def test_undone_norm_kept_and_the_same_without_numba(n: int) -> None:
    x = draw_vector("t3", n, _generator(n))
    y = rotate(x, _generator())
    assert np.isclose(np.linalg.norm(y), np.linalg.norm(x), rtol=1e-6)
    back = inverse_rotate(y.copy(), _generator())
    assert np.abs(back - x).max() <= 2e-6 * np.linalg.norm(x)
    with numpy_only():
        assert np.array_equal(rotate(x, _generator()), y)
        assert np.array_equal(inverse_rotate(y.copy(), _generator()), back)


def test_nothing_is_rotated_to_nothing() -> None:
    assert rotate(np.empty(0, np.float32), _generator()).size == 0
    assert block_borders(0).tolist() == [0]


@pytest.mark.parametrize("place", [0, 1234, 4095])
def test_a_spike_becomes_gaussian(place: int) -> None:
    x = np.zeros(BLOCK, np.float32)
    x[place] = 1
    y = rotate(x, _generator()).astype(np.float64) * np.sqrt(BLOCK)
    assert abs((y**4).mean() - 3) < 0.6
    assert np.abs(y).max() < 6


def test_a_tail_of_one_coordinate_is_mixed_with_a_block() -> None:
    x = np.zeros(BLOCK + 1, np.float32)
    x[-1] = 1
    spread = np.mean([rotate(x, _generator(seed)) ** 2 for seed in range(200)], axis=0)
    assert spread.max() < 3 / BLOCK


@pytest.mark.parametrize("n", LENGTHS)
def test_groups_tile_the_vector_and_have_one_variance_each(n: int) -> None:
    borders = block_borders(n)
    assert borders[0] == 0
    assert borders[-1] == n
    assert (np.diff(borders) > 0).all()
    assert np.diff(borders).max() <= BLOCK


def test_groups_even_out_what_lies_in_them() -> None:
    x = draw_vector("gauss", 3 * BLOCK, _generator())
    x[: BLOCK // 2] *= 100
    y = rotate(x, _generator()).astype(np.float64)
    first = (y[: BLOCK // 2] ** 2).mean() / (y[BLOCK // 2 : BLOCK] ** 2).mean()
    assert 0.8 < first < 1.25
    assert (y[BLOCK:] ** 2).mean() < 1.2


def test_a_block_must_be_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two, got 100"):
        rotate(np.ones(5, np.float32), _generator(), block=100)
