"""QUIC-FL: exact means over all randomness, the optimised tables' distortion, outliers apart."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.compression.codec import DIGEST_BYTES, seal
from fedbytes.compression.codecs.quicfl import _table
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.quantisers.random_table import quantise_to_table, rounding_intervals
from fedbytes.compression.testing.sample_vectors import draw_vector

TOP = 12686  # the limit in units of 1 / 4096
TABLES = [_table(bits) for bits in (1, 2, 3, 4)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.shape}")
def test_tables_are_odd_ascend_and_reach_the_limit(table: np.ndarray) -> None:
    rows = table.shape[0]
    assert table.size == 128
    assert np.array_equal(table, -table[::-1, ::-1])
    assert (np.diff(table, axis=1) > 0).all()
    assert table[:, -1].sum() == rows * TOP


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.shape}")
def test_intervals_tile_the_range_and_ascend_in_each_row(table: np.ndarray) -> None:
    lows, widths = (part.astype(np.int64) for part in rounding_intervals(table))
    order = np.argsort(lows.ravel())
    ends = (lows + widths).ravel()[order]
    assert lows.min() == table[:, 0].sum()
    assert ends[-1] == table[:, -1].sum()
    assert np.array_equal(ends[:-1], lows.ravel()[order][1:])
    assert (lows[:, 1:] >= (lows + widths)[:, :-1]).all()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.shape}")
def test_the_mean_over_all_randomness_is_the_value(table: np.ndarray) -> None:
    rows, steps = table.shape[0], 256
    row = np.repeat(np.arange(rows, dtype=np.uint8), steps)
    noise = np.tile((np.arange(steps, dtype=np.float32) + 0.5) / steps, rows)
    borders = np.array([0, row.size])
    for value in np.linspace(-TOP, TOP, 37):
        y = np.full(row.size, value, np.float32)
        codes, beyond = quantise_to_table(
            y, borders, np.array([rows], np.float32), table, row, noise
        )
        mean = table[row, codes].mean()
        assert abs(mean - value) <= np.diff(table, axis=1).max() / rows / steps
        assert not beyond.any()
        with numpy_only():
            again = quantise_to_table(y, borders, np.array([rows], np.float32), table, row, noise)
        assert np.array_equal(again[0], codes)


@pytest.mark.parametrize("distribution", ["gauss", "t3", "lora"])
@pytest.mark.parametrize(("bits", "nmse"), [(1, 1.4654), (2, 0.21358), (3, 0.04265), (4, 0.009648)])
def test_distortion_is_that_of_the_tables(bits: int, nmse: float, distribution: str) -> None:
    x = draw_vector(distribution, 200_000, np.random.default_rng(0))
    shared, codec = Shared(Layout({"x": (x.size,)})), make_codec("quicfl", bits=bits)
    data = codec.encode(torch.from_numpy(x), shared)
    y = codec.decode(data, shared).numpy()
    assert np.isclose(((y - x) ** 2).sum() / (x**2).sum(), nmse, rtol=0.04)
    assert 8 * len(data) / x.size < bits + 0.07
    with numpy_only():
        assert codec.encode(torch.from_numpy(x), shared) == data
        assert np.array_equal(codec.decode(data, shared).numpy(), y)


def test_too_many_outliers_and_wild_scales_are_refused() -> None:
    codec, shared = make_codec("quicfl"), Shared(Layout({"x": (128,)}))
    body = codec.encode(torch.ones(128), shared)[:-DIGEST_BYTES]
    wild = body[:2] + np.array(np.inf, "<f4").tobytes() + body[6:]
    with pytest.raises(ValueError, match="scales from inf to inf, allowed"):
        codec.decode(seal(codec, wild, shared), shared)
    wild = body[:2] + np.array(-1e30, "<f4").tobytes() + body[6:]
    with pytest.raises(ValueError, match=r"scales from -1\.0"):
        codec.decode(seal(codec, wild, shared), shared)
    many = body[: 2 + 4 + 32] + bytes([15])
    with pytest.raises(ValueError, match="outliers is 15, allowed 0 to 14"):
        codec.decode(seal(codec, many, shared), shared)
