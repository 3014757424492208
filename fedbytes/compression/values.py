"""Quantisers for values far from zero, such as those that a sparsifier kept.

A value is a sign and a magnitude in [lo, hi]; the magnitudes are cut into geometric cells, so
that the relative error is even, and each cell is read back near its mean. No cell touches zero,
so the code contracts.
"""

import numpy as np
import numpy.typing as npt

from .bits import pack_bits, packed_bytes, unpack_bits
from .casts import from_bf16, to_bf16
from .core import Floats
from .wire import Reader

WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 16, 32)
_PLACES = 255  # a cell's mean is sent as its place in the cell, in this many steps
_MEANS_SENT = 4  # up to this many bits; narrower cells are read back in the middle


def pack_values(values: Floats, bits: int) -> bytes:
    """Return values (float32 [k], none zero) in `bits` each, one of `WIDTHS`, plus a few bytes."""
    if bits == 32:
        return values.astype("<f4").tobytes()
    if bits == 16:
        return to_bf16(values).astype("<u2").tobytes()
    if values.size == 0:
        return b""
    magnitudes = np.abs(values)
    if bits == 1:
        mean = magnitudes.mean(dtype=np.float64)
        return np.array(mean, "<f4").tobytes() + pack_bits(np.signbit(values), 1)
    low, high = magnitudes.min(), magnitudes.max()
    edges = _edges(float(low), float(high), 1 << (bits - 1))
    cells = np.searchsorted(edges[1:-1], magnitudes, side="right").astype(np.uint8)
    codes = cells << np.uint8(1) | np.signbit(values).astype(np.uint8)
    head = np.array([low, high], "<f4").tobytes() + _places(magnitudes, cells, edges, bits)
    return head + pack_bits(codes, bits)


def read_values(reader: Reader, k: int, bits: int) -> Floats:
    """Return the k values that `pack_values` wrote; ValueError if the bytes cannot be that."""
    if bits == 32:
        return reader.floats(k, "values")
    if bits == 16:
        return from_bf16(reader.array("<u2", k, "values"))
    if k == 0:
        return np.empty(0, np.float32)
    levels = _levels(reader, bits)
    codes = unpack_bits(reader.take(packed_bytes(k, bits), "values"), k, bits)
    return levels[codes]


def _edges(low: float, high: float, cells: int) -> npt.NDArray[np.float64]:
    """Return the cells + 1 edges from low to high; the same on every platform."""
    ratio = _root(high / low, cells)
    edges = np.multiply.accumulate(np.array([low] + [ratio] * cells, np.float64))
    edges[-1] = high
    return edges


def _root(value: float, degree: int) -> float:
    """Return the degree-th root (a power of two) of a value of at least 1."""
    for _ in range(degree.bit_length() - 1):
        value = float(np.sqrt(value))  # exact rounding, unlike pow
    return value


def _places(
    magnitudes: Floats, cells: npt.NDArray[np.uint8], edges: npt.NDArray[np.float64], bits: int
) -> bytes:
    if bits > _MEANS_SENT:
        return b""
    number = edges.size - 1
    counts = np.bincount(cells, minlength=number)
    means = np.bincount(cells, weights=magnitudes, minlength=number) / np.maximum(counts, 1)
    widths = np.diff(edges)
    places = np.where(widths > 0, (means - edges[:-1]) / np.where(widths > 0, widths, 1), 0)
    places[counts == 0] = 0
    steps: npt.NDArray[np.uint8] = np.rint(np.clip(places, 0, 1) * _PLACES).astype(np.uint8)
    return steps.tobytes()


def _levels(reader: Reader, bits: int) -> Floats:
    """Return the value of each code: cell << 1 | sign."""
    if bits == 1:
        mean = reader.floats(1, "mean")[0]
        return np.array([mean, -mean])
    low, high = reader.floats(2, "value range").tolist()
    if not 0 < low <= high:
        raise ValueError(f"{reader.what} payload: value range {low} to {high}")
    cells = 1 << (bits - 1)
    edges = _edges(low, high, cells)
    middle = np.full(cells, 0.5)
    if bits <= _MEANS_SENT:
        middle = reader.array("u1", cells, "cell means") / _PLACES
    levels = np.minimum(edges[:-1] + np.diff(edges) * middle, high)
    return np.stack((levels, -levels), axis=1).ravel().astype(np.float32)
