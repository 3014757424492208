"""THC: codes of rotated coordinates whose integers add up on a server that does not decode."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Doubles, Int64s, UInt8s
from fedbytes.compression.codec import CODECS, Floats, Payload
from fedbytes.compression.codecs.thc.integer_table import integer_table
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.hadamard import block_borders, inverse_rotate, rotate
from fedbytes.compression.quantisers import lloyd_max, random_table
from fedbytes.compression.summable import Grid, Integers, Summable
from fedbytes.plugin_fields import added_field, bounded

_LOWEST, _HIGHEST = -120, 70  # exponents of a unit
_UNITS = 1 + 8 * (_HIGHEST - _LOWEST + 1)
_STEP = (9 / 8) ** 2  # the most by which a unit's square is rounded up


@CODECS.register("thc")
@dataclass(frozen=True)
class Thc(Summable):
    """Rotated coordinates rounded at random to a table of integers (Li et al. 2024).

    All senders of a round draw one rotation, so that the mean of their vectors is the rotated
    mean of their integers: `sum_payloads` adds what they sent without decoding any of it,
    and `decode_sum` decodes the sum once. A group's range is `limit` root mean squares; its
    unit is rounded up to 8 to 15 times a power of two, so that units that differ between senders
    are brought to one by shifts. The paper has the senders agree on the range first; here it
    travels, 16 bits per group.

    With a fixed `unit` no range travels, all senders' integers are on one grid and add with no
    shifts: that is what sums behind masks or encryption need (`fedbytes.compression.summable`).

    Wire (docs/wire/rotated.md): nothing for no coordinates; else, without a fixed unit, exponent
    int16 and unit uint16 [groups]; the codes, packed.

    Biased, by what is clamped: 0.04 % of the energy of a rotated vector at limit 3; otherwise
    rounding has the right mean. It contracts where (gap / 2)^2 of the table and the share that
    can be clamped, at most 3 / limit^2 on average over the rotation, stay below 1 together.

    Attributes:
        bits: bits per coordinate, 1 to 8.
        granularity: largest integer, at least 2^bits - 1; a sum over N senders needs
            log2(2 * 15 * granularity * N) bits.
        limit: range in root mean squares of a group, 1 to 8.
        unit: what one integer stands for in a rotated coordinate, if that is one for all senders
            and groups; the range is then granularity * unit. None has each sender fit its own.

    Example:
        >>> codec = make_codec("thc")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (12, [3.094, -1.031, 0.5156, 1.891, 0.1719, 0.8594, -2.406, 1.719])
    """

    bits: int = bounded(4, least=1, most=8)
    granularity: int = bounded(30, most=1023)
    limit: float = bounded(3.0, least=1, most=8)
    unit: float | None = added_field(bounded(None, least=1e-30, most=1e30))
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"bits": 2, "granularity": 12},
        {"bits": 2, "granularity": 12, "unit": 0.25},
    )
    to_add: ClassVar[str] = "its unit, as in uplink={name: thc, unit: 1.0e-4}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.granularity < (1 << self.bits) - 1:
            raise ValueError(
                f"thc: granularity must be at least {(1 << self.bits) - 1} (2^bits - 1), "
                f"got {self.granularity}"
            )

    @property
    def table(self) -> Int64s:
        """The ascending integers [2^bits] that the codes stand for."""
        return integer_table(self.bits, self.granularity, self.limit)

    @property
    def contracts(self) -> bool:
        """True where the table is fine enough and the range wide enough, and fitted to x."""
        if self.unit is not None:
            return False
        gap = float(np.diff(self.table).max()) / self.granularity * self.limit
        return gap * gap / 4 * _STEP + 3 / self.limit**2 < 1

    @property
    def bounded_error(self) -> bool:
        """True with a unit: within the range an error is below the table's widest gap."""
        return self.unit is not None

    @property
    def summable(self) -> bool:
        """True with a unit."""
        return self.unit is not None

    @property
    def grid_levels(self) -> int:
        """As many as the table's integers, which have one parity, could be: granularity + 1."""
        return self.granularity + 1

    def with_range(self, top: float) -> "Thc":
        """Return the same with the unit of that range."""
        return replace(self, unit=top / self.granularity)

    def grid(self, shared: Shared) -> Grid:
        """Return the grid of the unit."""
        assert self.unit is not None
        return Grid(self.unit, self.granularity, stride=2)

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return x rotated as all senders of the round rotate."""
        scaled, exponent = split_exponent(x)
        return apply_exponent(rotate(scaled, shared.common_generator("thc")), exponent)

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector rotated back."""
        return self._turned_back(image.copy(), shared)

    def _turned_back(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector, in the image's memory if it is of usual magnitude."""
        scaled, exponent = split_exponent(image)
        return apply_exponent(inverse_rotate(scaled, shared.common_generator("thc")), exponent)

    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Round to the table's integers at random."""
        return self._to_integers(self._codes(image, grid.unit, noise))

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the integers that the codes stand for."""
        return self._to_integers(self._open_codes(body, shared.layout.numel))

    def _open_codes(self, body: memoryview, numel: int) -> UInt8s:
        """Return the codes of a payload of the fixed unit."""
        reader = Reader(body, self.name)
        codes = unpack_bits(reader.take(packed_bytes(numel, self.bits), "codes"), numel, self.bits)
        reader.end()
        return codes

    def _to_integers(self, codes: UInt8s | Int64s) -> Integers:
        integers: Integers = ((self.table + self.granularity) // 2).astype(np.uint64)[codes]
        return integers

    def _codes(self, image: Floats, unit: float, noise: np.random.Generator) -> UInt8s:
        """Return the codes of rotated coordinates, all of one unit."""
        end = np.float32(self.granularity * unit)
        y, borders = np.clip(image, -end, end), np.array([0, image.size])
        draws, rows = noise.random(y.size, np.float32), np.zeros(y.size, np.uint8)
        factor = np.array([1 / unit], np.float32)
        return random_table.quantise_to_table(y, borders, factor, self.table[None], rows, draws)[0]

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        if self.unit is not None:
            codes = self._codes(self.project(x, shared), self.unit, shared.generator("thc"))
            return pack_bits(codes, self.bits)
        scaled, exponent = split_exponent(x)
        y = rotate(scaled, shared.common_generator("thc"))
        borders = block_borders(x.size)
        means = lloyd_max.run_energies(y, borders[:-1], borders[1:]) / np.diff(borders)
        units = _unit_codes(np.sqrt(means) * self.limit / self.granularity)
        mantissas, exponents = _unit_parts(units)
        inverses = np.zeros(units.size, np.float32)
        np.divide(np.ldexp(1.0, -exponents), mantissas, out=inverses, where=mantissas > 0)
        noise = shared.generator("thc").random(x.size, np.float32)
        rows = np.zeros(x.size, np.uint8)
        codes = random_table.quantise_to_table(y, borders, inverses, self.table[None], rows, noise)[
            0
        ]
        head = pack_exponent(exponent) + units.astype("<u2").tobytes()
        return head + pack_bits(codes, self.bits)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        if numel == 0:
            Reader(data, self.name).end()
            return np.zeros(0, np.float32)
        if self.unit is not None:
            levels = self._to_integers(np.arange(1 << self.bits))
            values = self.grid(shared).mean(levels, 1)
            return self._turned_back(values[self._open_codes(data, numel)], shared)
        exponent, units, codes = self._open(data, numel)
        mantissas, exponents = _unit_parts(units)
        scales = np.ldexp(mantissas.astype(np.float32), exponents)
        table, rows = self.table[None].astype(np.float32), np.zeros(numel, np.uint8)
        y = random_table.dequantise_from_table(codes, block_borders(numel), scales, table, rows)
        return apply_exponent(inverse_rotate(y, shared.common_generator("thc")), exponent)

    def scaled_integers(self, body: memoryview, shared: Shared) -> tuple[Int64s, Int64s]:
        """Return int64 [numel] and exponents [groups]: the rotated vector is integer * 2^exponent.

        Args:
            body: a payload without its digest.
            shared: the sender's.

        Raises:
            ValueError: if the payload is malformed, or the codec has a unit.
        """
        if self.unit is not None:
            raise ValueError("thc with a unit has integers of one grid: add what `read` returns")
        numel = shared.layout.numel
        if numel == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        exponent, units, codes = self._open(body, numel)
        mantissas, exponents = _unit_parts(units)
        integers = self.table[codes] * np.repeat(mantissas, np.diff(block_borders(numel)))
        return integers, exponents + exponent

    def _open(self, data: memoryview, numel: int) -> tuple[int, Int64s, UInt8s]:
        """Return exponent, unit codes and codes of a payload for numel > 0 coordinates."""
        reader = Reader(data, self.name)
        exponent = read_exponent(reader)
        units = reader.array("<u2", block_borders(numel).size - 1, "units").astype(np.int64)
        if int(units.max()) >= _UNITS:
            raise ValueError(f"thc payload: unit is {units.max()}, allowed 0 to {_UNITS - 1}")
        packed = reader.take(packed_bytes(numel, self.bits), "codes")
        reader.end()
        return exponent, units, np.require(unpack_bits(packed, numel, self.bits), np.uint8, "W")


def _unit_codes(units: Doubles) -> Int64s:
    """Return the code of the least 8…15 * 2^e that is not below each unit; 0 for next to none."""
    fractions, exponents = np.frexp(units)
    eighths = np.ceil(fractions * 16).astype(np.int64)  # 8 < eighths <= 16
    codes = 1 + 8 * (exponents.astype(np.int64) - 4 - _LOWEST) + eighths - 8
    return np.where((units > 0) & (codes > 0), codes, 0)


def _unit_parts(
    codes: Int64s,
) -> tuple[Int64s, Int64s]:
    """Return mantissa (0, or 8 to 15) and exponent of the units."""
    mantissas = np.where(codes > 0, 8 + (codes - 1) % 8, 0)
    return mantissas, (codes - 1) // 8 + _LOWEST
