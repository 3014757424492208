"""The parts that codecs are built from: bits, tokens, indices, values."""

from math import lgamma, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.index_sets import pack_indices, read_indices
from fedbytes.compression.coding.integers import (
    join_tokens,
    split_tokens,
    token_of,
    token_range,
    unzigzag,
    zigzag,
)
from fedbytes.compression.coding.reader import Reader, pack_count
from fedbytes.compression.numerics.kernels import numpy_only
from fedbytes.compression.quantisers.bfloat16 import from_bf16, to_bf16
from fedbytes.compression.quantisers.log_magnitude import WIDTHS, pack_values, read_values
from fedbytes.compression.sparsifiers.top_k import select_top_k
from fedbytes.compression.testing.sample_vectors import draw_vector


def _reader(data: bytes) -> Reader:
    return Reader(memoryview(data), "test")


@pytest.mark.parametrize("width", range(33))
def test_bits_come_back_and_both_ways_of_packing_agree(width: int) -> None:
    for count in (0, 1, 7, 8, 100, 1 << 15, (1 << 15) + 3):
        values = np.random.default_rng(count).integers(0, 1 << width, count, np.uint64)
        values = values.astype(np.uint32)
        packed = pack_bits(values, width)
        assert len(packed) == packed_bytes(count, width)
        with numpy_only():
            assert pack_bits(values, width) == packed
            assert np.array_equal(unpack_bits(packed, count, width), values)
        assert np.array_equal(unpack_bits(packed, count, width), values)


def test_bit_order_is_least_significant_first() -> None:
    assert pack_bits(np.array([1, 2, 3, 4, 5]), 3) == bytes([0b11010001, 0b1011000])
    assert pack_bits(np.array([1, 2, 3]), 4) == bytes([0x21, 0x03])


def test_bits_refuse_wrong_sizes_and_padding() -> None:
    with pytest.raises(ValueError, match="take 2 bytes, got 3"):
        unpack_bits(b"abc", 3, 4)
    with pytest.raises(ValueError, match="padding of 4 bits"):
        unpack_bits(b"\x21\x13", 3, 4)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_tokens_come_back(numbers: list[int]) -> None:
    given_numbers = np.array(numbers, np.uint32)
    tokens, raw = split_tokens(given_numbers)
    assert [token_of(number) for number in numbers] == tokens.tolist()
    reader = _reader(raw)
    assert np.array_equal(join_tokens(tokens, reader, 2**32 - 1), given_numbers)
    reader.end()


def test_token_ranges_tile_the_numbers() -> None:
    expected = 0
    for token in range(token_of(2**32 - 1) + 1):
        low, width = token_range(token)
        assert low == expected
        assert token_of(low) == token_of(low + (1 << width) - 1) == token
        expected = low + (1 << width)
    assert expected == 2**32


def test_zigzag_interleaves_the_signs() -> None:
    q = np.array([0, -1, 1, -2, 2, 2**22, -(2**22)], np.int32)
    assert zigzag(q).tolist() == [0, 1, 2, 3, 4, 2**23, 2**23 - 1]
    assert np.array_equal(unzigzag(zigzag(q)), q)


@pytest.mark.parametrize("density", [0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.9])
def test_indices_cost_little_above_the_bound(density: float) -> None:
    n = 1_000_000
    k = int(n * density)
    indices = np.sort(np.random.default_rng(0).choice(n, k, replace=False))
    data = pack_indices(indices, n)
    reader = _reader(data)
    assert np.array_equal(read_indices(reader, k, n), indices)
    reader.end()
    bound = (lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) / log(2)
    assert (8 * len(data) - bound) / k < (0.03 if 0.01 <= density <= 0.5 else 0.4)


def test_clustered_indices_cost_less_than_the_bound_for_random_ones() -> None:
    indices = np.flatnonzero(np.arange(200_000) // 100 % 20 == 0)
    random = np.sort(np.random.default_rng(0).choice(200_000, indices.size, replace=False))
    assert len(pack_indices(indices, 200_000)) < len(pack_indices(random, 200_000)) / 3


@settings(deadline=None)
@given(st.sets(st.integers(0, 299), max_size=300))
def test_any_indices_come_back(kept: set[int]) -> None:
    indices = np.array(sorted(kept), np.int64)
    reader = _reader(pack_indices(indices, 300))
    assert np.array_equal(read_indices(reader, indices.size, 300), indices)
    reader.end()


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 3), st.binary(max_size=60), st.integers(1, 299))
def test_any_bytes_are_refused_or_are_indices(method: int, data: bytes, k: int) -> None:
    try:
        indices = read_indices(_reader(bytes([method]) + data), k, 300)
    except ValueError:
        return
    assert indices.size == k
    assert (np.diff(indices) > 0).all()
    assert 0 <= indices[0] <= indices[-1] < 300


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("distribution", ["gauss", "t3"])
def test_kept_values_come_back_on_their_side_of_zero(bits: int, distribution: str) -> None:
    x = draw_vector(distribution, 100_000, np.random.default_rng(0))
    values = x[select_top_k(x, 1000)]
    reader = _reader(pack_values(values, bits))
    found = read_values(reader, values.size, bits)
    reader.end()
    assert np.array_equal(np.signbit(found), np.signbit(values))
    loss = float(((found - values) ** 2).sum() / (values**2).sum())
    worst = {1: 0.3, 2: 0.12, 3: 0.04, 4: 0.01, 5: 0.003, 6: 1e-3, 7: 2e-4, 8: 5e-5}
    assert loss < worst.get(bits, 1e-5)


def test_largest_takes_ties_from_the_front_and_no_zeros() -> None:
    x = np.array([0, 3, -3, 1, 3, 0, -5], np.float32)
    assert select_top_k(x, 3).tolist() == [1, 2, 6]
    assert select_top_k(x, 2).tolist() == [1, 6]
    assert select_top_k(x, 7).tolist() == [1, 2, 3, 4, 6]
    assert select_top_k(np.zeros(5, np.float32), 2).tolist() == []


def test_largest_agrees_with_sorting() -> None:
    x = draw_vector("t3", 5000, np.random.default_rng(0))
    expected = np.sort(np.argsort(-np.abs(x))[:321])
    assert np.array_equal(select_top_k(x, 321), expected)


def test_bf16_rounds_to_even_and_stays_finite() -> None:
    x = np.array([1, 1.00390625, 1.01171875, -1.0078125, 3.4e38, 1e-40, -0.0], np.float32)
    found = from_bf16(to_bf16(x))
    top = 3.3895313892515355e38
    near = found[5]
    assert found.tolist() == [1, 1, 1.015625, -1.0078125, np.float32(top), near, 0]
    assert np.isclose(near, 1e-40, rtol=0.01)


@given(st.integers(0, 2**34))
def test_counts_come_back_within_their_limit(value: int) -> None:
    assert _reader(pack_count(value)).count("x", value) == value
    if value:
        with pytest.raises(ValueError, match="allowed 0 to"):
            _reader(pack_count(value)).count("x", value - 1)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 9])
def test_counts_that_do_not_end_or_are_padded_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="x"):
        _reader(data).count("x", 100)
