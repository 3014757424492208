"""Which coordinates are the largest, to the last tie; and how many a density keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.top_k import select_top_k

VALUES = st.lists(st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -2.0, 2.0, 1e-30]), max_size=40)


@settings(deadline=None)
@given(VALUES, st.integers(1, 40))
def test_ties_go_to_the_lower_index_and_zeros_are_left_out(values: list[float], k: int) -> None:
    x = np.array(values, np.float32)
    order = np.lexsort((np.arange(x.size), -np.abs(x)))[:k]
    expected = sorted(int(i) for i in order if x[i] != 0)
    assert select_top_k(x, k).tolist() == expected


@pytest.mark.parametrize(
    ("density", "numel", "count"),
    [(0.29, 100, 29), (0.1, 15, 2), (0.1, 25, 2), (0.001, 10, 1), (1.0, 7, 7), (0.5, 0, 0)],
)
def test_a_density_keeps_the_nearest_number(density: float, numel: int, count: int) -> None:
    assert count_for_density(density, numel) == count
