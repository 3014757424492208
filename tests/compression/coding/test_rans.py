"""The entropy coder: exact, near the entropy, the same from both implementations, and safe."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.compression.coding import rans
from fedbytes.compression.coding.frequency_tables import (
    TOTAL,
    normalise_counts,
    pack_freqs,
    read_freqs,
)
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.numerics.kernels import numpy_only


def _reader(data: bytes) -> Reader:
    return Reader(memoryview(data), "test")


def _draw(count: int, symbols: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.full(symbols, 0.3))
    drawn = generator.choice(symbols, count, p=shares).astype(np.uint8)
    return drawn, normalise_counts(np.bincount(drawn))


@pytest.mark.parametrize("count", [1, 2, 5, 31, 32, 33, 8193, 70_001])
@pytest.mark.parametrize("symbols", [1, 2, 7, 256])
def test_kernels_and_numpy_write_and_read_the_same(count: int, symbols: int) -> None:
    drawn, freqs = _draw(count, symbols, count + symbols)
    data = rans.encode_symbols(drawn, freqs)
    with numpy_only():
        assert rans.encode_symbols(drawn, freqs) == data
        assert np.array_equal(rans.decode_symbols(_reader(data), count, freqs), drawn)
    reader = _reader(data)
    assert np.array_equal(rans.decode_symbols(reader, count, freqs), drawn)
    reader.end()


def test_cost_is_within_two_hundredths_of_the_entropy() -> None:
    q = np.rint(np.random.default_rng(0).standard_normal(300_000) / 2).astype(int)
    symbols = np.where(q < 0, -2 * q - 1, 2 * q).astype(np.uint8)
    shares = np.bincount(symbols) / symbols.size
    entropy = -(shares * np.log2(shares)).sum()
    freqs = normalise_counts(np.bincount(symbols))
    data = rans.encode_symbols(symbols, freqs)
    assert 8 * (len(data) + len(pack_freqs(freqs))) / symbols.size < entropy + 0.005
    assert abs(rans.estimate_coded_bytes(np.bincount(symbols), freqs) - len(data)) < 0.005 * len(
        data
    )


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=256).filter(any))
def test_frequencies_sum_up_and_travel(counts: list[int]) -> None:
    freqs = normalise_counts(np.array(counts))
    assert int(freqs.sum()) == TOTAL
    assert all((freq > 0) == (count > 0) for freq, count in zip(freqs, counts, strict=True))
    reader = _reader(pack_freqs(freqs))
    assert np.array_equal(read_freqs(reader, 256), np.trim_zeros(freqs, "b"))
    reader.end()


def test_a_table_may_end_with_symbols_that_never_occur() -> None:
    symbols = np.array([0, 1, 0, 0, 1], np.uint8)
    freqs = normalise_counts(np.bincount(symbols, minlength=3))
    reader = _reader(pack_freqs(freqs) + rans.encode_symbols(symbols, freqs))
    assert np.array_equal(rans.decode_symbols(reader, 5, read_freqs(reader, 3)), symbols)
    reader.end()


def test_a_table_whose_last_frequency_is_0_is_not_read() -> None:
    whole = (1 << 12) + 1  # Elias gamma of 4096 + 1: twelve zeros, then 13 bits from the top
    bits = "0" + "0" * 12 + "1" + format(whole & 0xFFF, "012b")[::-1]
    data = bytes([1]) + int(bits[::-1], 2).to_bytes(4, "little")
    with pytest.raises(ValueError, match="the last frequency is 0; all must sum to 4096"):
        read_freqs(_reader(data), 2)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120), st.integers(0, 2000))
def test_any_bytes_are_refused_or_decode_to_the_right_size(data: bytes, count: int) -> None:
    reader = _reader(data)
    try:
        freqs = read_freqs(reader, 40)
        symbols = rans.decode_symbols(reader, count, freqs)
    except ValueError:
        return
    assert symbols.size == count
    assert count == 0 or int(symbols.max()) < freqs.size


def test_every_flip_in_the_words_is_noticed_or_changes_nothing_in_size() -> None:
    drawn, freqs = _draw(500, 7, 3)
    data = rans.encode_symbols(drawn, freqs)
    noticed = 0
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        try:
            rans.decode_symbols(_reader(bytes(flipped)), 500, freqs)
        except ValueError:
            noticed += 1
    assert noticed > 0.99 * 8 * len(data)  # the state must end where the encoder began


def test_more_words_than_symbols_are_refused_before_they_are_read() -> None:
    freqs = normalise_counts(np.array([1, 1]))
    with pytest.raises(ValueError, match="coder words is 11, allowed 0 to 10"):
        rans.decode_symbols(_reader(b"\x0b" + b"\xff" * 100), 10, freqs)
