"""A rotated vector in Lloyd-Max codes with a scale per group: the body of drive and eden."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedbytes.arrays import Doubles, Floats, Int64s
from fedbytes.compression.codec import Codec, Payload
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.hadamard import block_borders, inverse_rotate, rotate
from fedbytes.compression.quantisers import lloyd_max

_LARGEST_SCALE = 2.0**90


@dataclass(frozen=True)
class _Runs:
    """The width of each coordinate's code: one bit more for the first ones of each group."""

    starts: Int64s
    middles: Int64s
    stops: Int64s
    width: int

    @property
    def parts(self) -> tuple[tuple[Int64s, Int64s, int], ...]:
        """Starts, stops and width of the fine and the coarse runs, without those of 0 bits."""
        fine = (self.starts, self.middles, self.width + 1)
        coarse = (self.middles, self.stops, self.width)
        return tuple(p for p in (fine, coarse) if p[2] and (p[1] > p[0]).any())


def pack_rotated(x: Floats, generator: np.random.Generator, bits: float, unbiased: bool) -> bytes:
    """Return exponent, scales and codes of the rotated x [n], `bits` per coordinate on average.

    Args:
        x: finite float32 [n].
        generator: randomness that the receiver shares.
        bits: above 0, at most 8. A fraction f gives one bit more to the first ceil(f * size)
            coordinates of each group; below 1 bit the others are not sent.
        unbiased: scale each group by ||y||^2 / <y, Q(y)> instead of <y, Q(y)> / ||Q(y)||^2.
    """
    if x.size == 0:
        return b""
    scaled, exponent = split_exponent(x)
    # 1. Rotate; in each group, quantise by the root mean square of the coordinates that are sent.
    y = rotate(scaled, generator)
    runs = _runs(x.size, bits)
    last = runs.stops if runs.width else runs.middles  # coordinates that are not sent do not count
    energy = lloyd_max.run_energies(y, runs.starts, last)
    roots = np.sqrt(energy / (last - runs.starts))
    packed, sums = [], np.zeros((runs.starts.size, 2))
    for start, stop, width in runs.parts:
        codes, found = lloyd_max.quantise_lloyd_max(y, start, stop, roots, width)
        packed.append(pack_bits(codes, width))
        sums += found
    # 2. One scale per group; an unbiased one also makes up for coordinates that are not sent.
    scales = _scales(energy, sums, unbiased)
    if unbiased:
        scales *= (runs.stops - runs.starts) / (last - runs.starts)
    head = pack_exponent(exponent)
    return b"".join((head, scales.astype("<f4").tobytes(), *packed))


def read_rotated(reader: Reader, n: int, generator: np.random.Generator, bits: float) -> Floats:
    """Return the vector that `pack_rotated` wrote; raise a ValueError for other bytes."""
    if n == 0:
        return np.zeros(0, np.float32)
    exponent = read_exponent(reader)
    runs = _runs(n, bits)
    scales = reader.floats(runs.starts.size, "scales", 0, _LARGEST_SCALE)
    y = np.zeros(n, np.float32)
    for start, stop, width in runs.parts:
        count = int((stop - start).sum())
        codes = unpack_bits(reader.take(packed_bytes(count, width), "codes"), count, width)
        lloyd_max.dequantise_lloyd_max(
            np.require(codes, np.uint8, "W"), start, stop, scales, width, y
        )
    return apply_exponent(inverse_rotate(y, generator), exponent)


def _runs(n: int, bits: float) -> _Runs:
    borders = block_borders(n)
    width = math.floor(bits)
    fine = np.ceil((bits - width) * np.diff(borders)).astype(np.int64)
    return _Runs(borders[:-1], borders[:-1] + fine, borders[1:], width)


def _scales(energy: Doubles, sums: Doubles, unbiased: bool) -> Doubles:
    """Return the factor of each group's levels; 0 for a group of zeros."""
    products, squares = sums.T
    above, below = (energy, products) if unbiased else (products, squares)
    scales = np.zeros(above.size)
    np.divide(above, below, out=scales, where=above > 0)
    return scales


class RotatedCodec(Codec):
    """A codec that sends a rotated vector in Lloyd-Max codes, at an unbiased or a biased scale.

    Wire: `pack_rotated`. "unbiased" is unbiased as far as the rotation is uniform; "biased"
    minimises the error of one vector and contracts.
    """

    bits: float
    scale: Literal["unbiased", "biased"]

    @property
    def unbiased(self) -> bool:
        """True for the unbiased scale, as far as the rotation is uniform."""
        return self.scale == "unbiased"

    @property
    def contracts(self) -> bool:
        """True for the biased scale."""
        return self.scale == "biased"

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return pack_rotated(x, shared.generator(self.name), self.bits, self.unbiased)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        y = read_rotated(reader, shared.layout.numel, shared.generator(self.name), self.bits)
        reader.end()
        return y
