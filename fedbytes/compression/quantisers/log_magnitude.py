"""Quantisers for values far from zero, such as those that a sparsifier keeps.

A value is a sign and a magnitude in [low, high]. Geometric cells give magnitudes an even relative
error, and each cell decodes near its mean. No cell touches zero, so the code contracts.
"""

from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Doubles, Floats, UInt8s
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.quantisers.bfloat16 import from_bf16, to_bf16
from fedbytes.compression.quantisers.loops.log_magnitude_loops import GUESS_SHIFT, find_cells

WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 16, 32)
_MEAN_STEPS = 255  # a cell's mean is sent as its position in the cell, in this many steps
_MEANS_SENT = 4  # up to this many bits; the finer cells of more bits decode to their middle


def pack_values(values: Floats, bits: int) -> bytes:
    """Pack values (float32 [k], none zero) in `bits` each, one of `WIDTHS`, plus a few bytes."""
    if bits == 32:
        return values.astype("<f4").tobytes()
    if bits == 16:
        return to_bf16(values).astype("<u2").tobytes()
    if values.size == 0:
        return b""
    if bits == 1:
        magnitudes = np.abs(values)
        mean = magnitudes.mean(dtype=np.float64)
        return np.array(mean, "<f4").tobytes() + pack_bits(np.signbit(values), 1)
    patterns = values.view(np.int32)
    sizes = patterns & np.int32(0x7FFFFFFF)  # they sort like the magnitudes
    low, high = np.array([sizes.min(), sizes.max()], np.int32).view(np.float32)
    del sizes
    # Geometric cells from the smallest to the largest magnitude.
    edges = _edges(float(low), float(high), 1 << (bits - 1))
    codes = np.empty(values.size, np.uint8)
    sums = np.zeros((2, edges.size - 1), np.float64)
    first, guesses = _guesses(low, high, edges)
    find_cells(values, patterns, first, guesses, np.append(edges[1:-1], np.inf), codes, sums)
    head = np.array([low, high], "<f4").tobytes() + _pack_means(sums[0], sums[1], edges, bits)
    return head + pack_bits(codes, bits)


@dataclass(frozen=True)
class PackedValues:
    """Values that are decoded piece by piece.

    Attributes:
        bits: one of `WIDTHS`.
        levels: float32 [2^bits], the value of each code; empty for 16 and 32 bits.
        packed: the codes, or the values themselves.
    """

    bits: int
    levels: Floats
    packed: memoryview

    def piece(self, start: int, stop: int) -> Floats:
        """Return the values from `start`, a multiple of 8, to `stop`."""
        packed = self.packed[start * self.bits // 8 : packed_bytes(stop, self.bits)]
        if self.bits == 32:
            return np.frombuffer(packed, "<f4").astype(np.float32, copy=False)
        if self.bits == 16:
            return from_bf16(np.frombuffer(packed, "<u2").astype(np.uint16, copy=False))
        return self.levels[unpack_bits(packed, stop - start, self.bits)]


def read_packed_values(reader: Reader, k: int, bits: int) -> PackedValues:
    """Return the k values of `pack_values`, still packed; raise a ValueError for other bytes."""
    levels = np.empty(0, np.float32) if bits >= 16 or k == 0 else _levels(reader, bits)
    return PackedValues(bits, levels, reader.take(packed_bytes(k, bits), "values"))


def read_values(reader: Reader, k: int, bits: int) -> Floats:
    """Return the k values that `pack_values` wrote; raise a ValueError for other bytes."""
    values = read_packed_values(reader, k, bits)
    return values.piece(0, k) if k else np.empty(0, np.float32)


def _edges(low: float, high: float, cells: int) -> Doubles:
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


def _pack_means(counts: Doubles, totals: Doubles, edges: Doubles, bits: int) -> bytes:
    """Return the position of each cell's mean in the cell, if means are sent at this width."""
    if bits > _MEANS_SENT:
        return b""
    means = totals / np.maximum(counts, 1)
    widths = np.diff(edges)
    positions = np.where(widths > 0, (means - edges[:-1]) / np.where(widths > 0, widths, 1), 0)
    positions[counts == 0] = 0
    steps: UInt8s = np.rint(np.clip(positions, 0, 1) * _MEAN_STEPS).astype(np.uint8)
    return steps.tobytes()


def _guesses(low: np.float32, high: np.float32, edges: Doubles) -> tuple[int, UInt8s]:
    """Return the leading bits of `low`, and the first cell of each leading-bit value up to `high`.

    The search for a magnitude's cell then takes a step or two.
    """
    first, last = (int(edge.view(np.int32)) >> GUESS_SHIFT for edge in (low, high))
    starts = (np.arange(first, last + 1) << GUESS_SHIFT).astype(np.int32).view(np.float32)
    return first, np.searchsorted(edges[1:-1], starts, side="right").astype(np.uint8)


def _levels(reader: Reader, bits: int) -> Floats:
    """Return the value of each code: cell << 1 | sign."""
    if bits == 1:
        mean = reader.floats(1, "mean")[0]
        return np.array([mean, -mean])
    low, high = reader.floats(2, "value range").tolist()
    if not 0 < low <= high:
        raise ValueError(f"{reader.name} payload: value range {low} to {high}")
    cells = 1 << (bits - 1)
    edges = _edges(low, high, cells)
    middle = np.full(cells, 0.5)
    if bits <= _MEANS_SENT:
        middle = reader.array("u1", cells, "cell means") / _MEAN_STEPS
    levels = np.minimum(edges[:-1] + np.diff(edges) * middle, high)
    return np.stack((levels, -levels), axis=1).ravel().astype(np.float32)
