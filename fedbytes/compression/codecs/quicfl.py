"""QUIC-FL: unbiased rounding of rotated coordinates with shared randomness, outliers exactly."""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.arrays import LARGEST_FLOAT, Int64s, UInt8s, UInt16s
from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.index_sets import pack_indices, read_indices
from fedbytes.compression.coding.reader import Reader, pack_count, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.hadamard import block_borders, inverse_rotate, rotate
from fedbytes.compression.quantisers import lloyd_max, random_table
from fedbytes.compression.quantisers.bfloat16 import from_bf16

_UNIT = 4096
_LARGEST = 2.0**90
_FEWEST = 9  # at least so many coordinates are there for each beyond 3.097 rms (Chebyshev)
# The first half of the rows for 1, 2, 3, 4 bits, in units of 1 / 4096; the others mirror them.
# They minimise the error of N(0, 1) within ±3.097, which leaves 1 in 512 outside.
# fmt: off
_TABLES = {
    1: (
        -142854, 236, -74275, 539, -52826, 773, -41751, 984, -34843, 1182, -30065, 1372,
        -26536, 1556, -23805, 1735, -17025, 2428, -14062, 2941, -12587, 3286, -11952,
        3461, -11371, 3638, -10838, 3817, -10345, 3999, -9888, 4184, -9462, 4372, -9063,
        4565, -8689, 4762, -8336, 4964, -8002, 5171, -7385, 5603, -6308, 6560, -6065,
        6822, -5831, 7097, -5385, 7686, -3114, 13287, -2771, 14930, -2600, 15909, -2258,
        18314, -2086, 19822, -1912, 21619,
    ),
    2: (
        -52351, -5641, 86, 5959, -31598, -5331, 256, 6128, -24796, -5079, 422, 6303,
        -21060, -4849, 585, 6483, -18607, -4630, 823, 6858, -16835, -4424, 830, 6666,
        -15475, -4227, 1065, 7061, -14375, -3920, 1379, 7486, -13479, -3963, 1222, 7269,
        -12727, -3668, 1538, 7714, -12071, -3490, 1695, 7953, -11496, -3316, 1852, 8204,
        -10985, -3146, 2010, 8471, -10106, -2911, 2167, 8754, -9731, -2648, 2421, 9053,
        -9377, -2392, 2877, 10521,
    ),
    3: (
        -25815, -8484, -4974, -2415, -72, 2264, 4954, 8894, -18386, -8120, -4689, -2111,
        215, 2565, 5253, 9144, -15857, -7829, -4513, -1962, 359, 2720, 5446, 9401, -14393,
        -7567, -4340, -1814, 503, 2875, 5641, 9675, -13382, -7322, -4171, -1666, 647,
        3032, 5837, 9970, -12614, -7090, -4003, -1519, 791, 3191, 6035, 10290, -11997,
        -6867, -3837, -1372, 936, 3350, 6236, 10643, -11480, -6651, -3674, -1226, 1081,
        3511, 6441, 11035,
    ),
    4: (
        -16990, -10226, -7782, -6037, -4594, -3320, -2145, -1026, 68, 1164, 2288, 3473,
        4763, 6235, 8043, 10730, -14091, -9798, -7539, -5844, -4428, -3169, -2002, -888,
        204, 1302, 2432, 3627, 4935, 6438, 8313, 11056, -13020, -9461, -7306, -5655,
        -4263, -3019, -1861, -751, 341, 1441, 2577, 3783, 5111, 6647, 8586, 11420, -12344,
        -9155, -7081, -5470, -4101, -2870, -1720, -614, 477, 1580, 2723, 3941, 5289, 6861,
        8865, 11837,
    ),
}
# fmt: on


@functools.cache
def _table(bits: int) -> Int64s:
    """Return the int64 [128 / 2^bits, 2^bits] entries."""
    half = np.array(_TABLES[bits], np.int64).reshape(-1, 1 << bits)
    return np.concatenate((half, -half[::-1, ::-1]))


@CODECS.register("quicfl")
@dataclass(frozen=True)
class QuicFl(Codec):
    """Rotated coordinates, rounded without bias to a table that the shared randomness turns.

    Ben Basat et al. 2024 (arXiv 2205.13341). A group of rotated coordinates is divided by its root
    mean square; what is beyond ±3.097 (1 in 512) goes apart, with its place, as bfloat16 rounded
    at random. The others become one of 2^bits entries of the row that both ends draw for the
    coordinate, chosen with the sender's own randomness so that the mean is the coordinate. The
    tables have 128 / 2^bits rows and were optimised for the normal distribution.

    Differs from the paper: outliers in 16 bits instead of exactly, scales by blocks, no padding.

    Wire (docs/wire/rotated.md): nothing for no coordinates; else exponent int16, scale float32
    [groups], the codes, the number of outliers, their places and values.

    Unbiased for every vector, whatever the rotation. At 4 bits it contracts: no coordinate's
    variance is above 0.23 of the group's mean square. With fewer bits coordinates near the
    limit have more than that.

    Attributes:
        bits: bits per coordinate, 1 to 4; outliers add about 0.054, scales 32 / 4096.

    Example:
        >>> codec = make_codec("quicfl")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (13, [2.083, -1.222, 0.7171, 1.271, -1.131, 0.7353, -0.7353, 1.475])
    """

    bits: Literal[1, 2, 3, 4] = 2
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"bits": 2}, {"bits": 1}, {"bits": 4})
    unbiased: ClassVar[bool] = True

    @property
    def contracts(self) -> bool:
        """True for 4 bits."""
        return self.bits == 4

    def _rows(self, shared: Shared) -> UInt8s:
        """Return the row of each coordinate: the low bits of a random byte."""
        numel = shared.layout.numel
        raw = shared.generator("quicfl/rows").bit_generator.random_raw(-(-numel // 8))
        drawn = raw.astype("<u8").view(np.uint8)[:numel]
        drawn &= np.uint8((128 >> self.bits) - 1)
        return drawn

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        scaled, exponent = split_exponent(x)
        y = rotate(scaled, shared.generator("quicfl"))
        borders, table = block_borders(x.size), _table(self.bits)
        means = lloyd_max.run_energies(y, borders[:-1], borders[1:]) / np.diff(borders)
        scales = np.sqrt(means).astype(np.float32)
        own = shared.generator("quicfl/own")
        noise = own.random(x.size, np.float32)
        factors = _factors(scales, _UNIT * table.shape[0])
        codes, beyond = random_table.quantise_to_table(
            y, borders, factors, table, self._rows(shared), noise
        )
        places = np.flatnonzero(beyond.view(bool))
        values = _round_at_random(y[places], own)
        head = pack_exponent(exponent) + scales.astype("<f4").tobytes()
        tail = pack_count(places.size) + pack_indices(places, x.size) + values.tobytes()
        return head + pack_bits(codes, self.bits) + tail

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        if numel == 0:
            reader.end()
            return np.zeros(0, np.float32)
        exponent = read_exponent(reader)
        borders = block_borders(numel)
        scales = reader.floats(borders.size - 1, "scales", -_LARGEST, _LARGEST)
        packed = reader.take(packed_bytes(numel, self.bits), "codes")
        codes = unpack_bits(packed, numel, self.bits).astype(np.uint8, copy=False)
        k = reader.count("outliers", numel // _FEWEST)
        places = read_indices(reader, k, numel)
        values = from_bf16(reader.array("<u2", k, "outliers"))
        if not float(np.abs(values).max(initial=0)) <= _LARGEST:
            raise ValueError(f"quicfl payload: outliers must be at most {_LARGEST}")
        reader.end()
        table = (_table(self.bits) / _UNIT).astype(np.float32)
        y = random_table.dequantise_from_table(codes, borders, scales, table, self._rows(shared))
        y[places] = values
        return apply_exponent(inverse_rotate(y, shared.generator("quicfl")), exponent)


def _factors(scales: Floats, unit: int) -> Floats:
    """Return unit / scale, 0 for a group of zeros, and finite."""
    wide = np.zeros(scales.size)
    np.divide(unit, scales, out=wide, where=scales > 0, dtype=np.float64)
    return np.minimum(wide, LARGEST_FLOAT).astype(np.float32)


def _round_at_random(values: Floats, own: np.random.Generator) -> UInt16s:
    """Return bfloat16 patterns of values, up or down so that the mean is right."""
    low = own.integers(0, 1 << 16, values.size, np.uint32)
    low += values.view(np.uint32)
    high: UInt16s = np.right_shift(low, 16).astype("<u2")
    return high
