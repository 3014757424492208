"""The discrete cosine transform of chunks, with sums in one order so that platforms agree.

The orthonormal DCT-II in float64 by Lee's recursion (1984): split N numbers into the sums and the
weighted differences of mirrored pairs; their transforms of length N/2 are the even coefficients
and, with neighbours added, the odd ones. The inverse runs the same steps in reverse. Libraries
differ in the order of additions and in the last bits of cosines; here cosines come from square
roots, and IEEE 754 fixes the rounding of every operation.

There is no padding: a remainder is cut into powers of two, the largest first.
"""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from fedbytes.arrays import Doubles, Floats

LARGEST_CHUNK = 1 << 12
_BATCH = 1 << 10  # coordinates per batch, or one chunk if that is longer


def dct(x: Floats, chunk: int) -> Floats:
    """Return the coefficients of all chunks, chunk by chunk, float32 [n].

    Args:
        x: float32 [n], magnitudes at most 2^64 (`split_exponent`).
        chunk: a power of two from 2 to `LARGEST_CHUNK`.
    """
    out = np.empty_like(x)
    for batch, size in _pieces(x.size, chunk):
        rows = x[batch].astype(np.float64).reshape(-1, size)
        out[batch] = (dct_rows(rows) * orthonormal_scales(size)).ravel()
    return out


def inverse_dct(y: Floats, chunk: int) -> Floats:
    """Invert `dct` in batch on the coefficients y, float32 [n]."""
    with np.errstate(all="ignore"):  # damaged payloads overflow; `Codec.decode` refuses the result
        for batch, size in _pieces(y.size, chunk):
            rows = y[batch].astype(np.float64).reshape(-1, size)
            y[batch] = inverse_dct_rows(rows * orthonormal_scales(size)).ravel()
    return y


def _pieces(n: int, chunk: int) -> Iterator[tuple[slice, int]]:
    """Yield batches of chunks of one size."""
    start, whole = 0, n - n % chunk
    while start < whole:
        stop = min(start + max(_BATCH, chunk), whole)
        yield slice(start, stop), chunk
        start = stop
    while start < n:
        size = 1 << ((n - start).bit_length() - 1)
        yield slice(start, start + size), size
        start += size


def dct_rows(x: Doubles) -> Doubles:
    """Return sum_n x[:, n] cos(pi (n + 1/2) k / N) of each row and k."""
    size = x.shape[1]
    if size == 1:
        return x
    half, mirrored = size // 2, x[:, : size // 2 - 1 : -1] if size > 2 else x[:, 1:]
    # Even coefficients are those of the sums; odd ones add neighbours of the differences'.
    first = x[:, :half]
    both = dct_rows(np.concatenate((first + mirrored, (first - mirrored) * _weights(size))))
    even, odd = both[: len(x)], both[len(x) :]
    out = np.empty_like(x)
    out[:, ::2] = even
    out[:, 1::2] = odd
    out[:, 1:-1:2] += odd[:, 1:]
    return out


def inverse_dct_rows(y: Doubles) -> Doubles:
    """Return sum_k y[:, k] cos(pi (n + 1/2) k / N) of each row and n."""
    size = y.shape[1]
    if size == 1:
        return y
    odd = y[:, 1::2].copy()
    odd[:, 1:] += y[:, 1:-1:2]
    both = inverse_dct_rows(np.concatenate((y[:, ::2], odd)))
    even, odd = both[: len(y)], both[len(y) :] * _weights(size)
    out = np.empty_like(y)
    out[:, : size // 2] = even + odd
    out[:, size // 2 :] = (even - odd)[:, ::-1]
    return out


@cache
def orthonormal_scales(size: int) -> Doubles:
    """Return the factors [size] that make the coefficients orthonormal."""
    scales: Doubles = np.full(size, np.sqrt(2 / size))
    scales[0] = np.sqrt(1 / size)
    return scales


@cache
def _weights(size: int) -> Doubles:
    """Return 1 / (2 cos(pi (n + 1/2) / size)) for n < size / 2."""
    weights: Doubles = 0.5 / _cosines(size)
    return weights


@cache
def _cosines(size: int) -> Doubles:
    """Return cos(pi (n + 1/2) / size) for n < size / 2, from those of size / 2 by half angles."""
    if size == 2:
        return np.array([math.sqrt(0.5)])
    wide = _cosines(size // 2)
    cosines: Doubles = np.sqrt((1 + wide) / 2)
    # sin(2a) = 2 sin(a) cos(a): no library sine, whose last bits differ between platforms.
    sines = wide[::-1] / (2 * cosines)
    return np.concatenate((cosines, sines[::-1]))
