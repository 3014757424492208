"""Block-wise integers: one scale per block, 8, 4, 3 or 2 bits per coordinate."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.arrays import Int8s
from fedbytes.compression.codec import CODECS, Floats, Payload
from fedbytes.compression.codecs.int.blocks import dequantise_blocks, quantise_blocks
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.common_grid import CommonScale
from fedbytes.compression.summable import Integers
from fedbytes.plugin_fields import added_field, bounded


@CODECS.register("int")
@dataclass(frozen=True)
class Int(CommonScale):
    """Blocks of coordinates on a uniform grid scaled by the block's peak.

    Nearest: the grid is peak * {-1 … (L-1)/L} in steps of 1/L with L = 2^(bits-1), where peak
    keeps the sign of the coordinate of largest magnitude (ties: positive), so that it sits on the
    long side and is met exactly. Stochastic: the symmetric grid in steps of 1/(L-1), rounded up
    or down at random so that the mean is x (Alistarh et al. 2017 with max norm).

    Wire: peak float32 [blocks]; then the codes as two's complement of `bits` bits [numel], packed
    (docs/wire.md). Value = fl(code / -L) * peak, or fl(code / (L-1)) * peak when stochastic.

    Unbiased when stochastic. Nearest contracts: zero is a level, so no coordinate gets worse, and
    the peak is exact (delta >= 1/block). Stochastic contracts while block < 4 (L-1)^2.

    Attributes:
        bits: bits per coordinate, 8, 4, 3 or 2.
        block: coordinates a scale, a multiple of 8.
        rounding: "nearest" or "stochastic".
        scale: peak of all blocks of all senders, if it is one; then no peaks travel, messages add,
            and what is beyond it is clipped. It needs stochastic rounding.

    Example:
        >>> codec = make_codec("int", bits=4)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (10, [3.0, -1.125, 0.375, 1.875])
    """

    bits: Literal[8, 4, 3, 2] = 8
    block: int = bounded(256, least=8, multiple=8)
    rounding: Literal["nearest", "stochastic"] = "nearest"
    scale: float | None = added_field(bounded(None, least=1e-30, most=1e30))
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"bits": 8},
        {"bits": 4},
        {"bits": 3},
        {"bits": 2},
        {"bits": 8, "rounding": "stochastic"},
        {"bits": 4, "rounding": "stochastic", "block": 64},
        {"bits": 2, "rounding": "stochastic", "block": 40},
        {"bits": 4, "rounding": "stochastic", "scale": 4.0},
    )
    to_add: ClassVar[str] = "its scale, as in uplink={name: int, rounding: stochastic, scale: 0.01}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale is not None and self.rounding != "stochastic":
            raise ValueError(
                f"int: scale={self.scale:g} is for sums, whose rounding must be right on average: "
                "set rounding=stochastic"
            )

    @property
    def top(self) -> int:
        """The code that stands for the scale."""
        return self._divisor

    @property
    def unbiased(self) -> bool:
        """True for stochastic rounding without a scale, which clips."""
        return self.rounding == "stochastic" and self.scale is None

    @property
    def contracts(self) -> bool:
        """True for nearest, and for stochastic on a grid that is fine enough for the block."""
        # Stochastic: at most step^2/4 per coordinate, block * peak^2 / (4 (L-1)^2) per block.
        if self.scale is not None:
            return False
        return self.rounding == "nearest" or self.block < 4 * self._divisor**2

    @property
    def _divisor(self) -> int:
        """The code that stands for the peak."""
        half = 1 << (self.bits - 1)
        return -half if self.rounding == "nearest" else half - 1

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the codes, counted from the lowest.

        Raises:
            ValueError: if the payload is malformed.
        """
        return (self._all_codes(body, shared).astype(np.int64) + self.top).astype(np.uint64)

    def _all_codes(self, body: memoryview, shared: Shared) -> Int8s:
        """Return the codes of a payload with a scale, from -top to top."""
        reader, numel = Reader(body, self.name), shared.layout.numel
        codes = self._codes(reader.take(packed_bytes(numel, self.bits), "codes"), numel)
        reader.end()
        return codes

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if self.scale is not None:
            noise = shared.generator("int")
            integers = self.round_image(x, shared, self.grid(shared), noise)
            codes = (integers.astype(np.int64) - self.top).astype(np.int8)
            return pack_bits(codes.view(np.uint8), self.bits)
        draws = None
        if self.rounding == "stochastic":
            draws = shared.generator("int").random(x.size, np.float32)
        peaks, codes = quantise_blocks(x, self.block, self._divisor, draws)
        return peaks.astype("<f4", copy=False).tobytes() + pack_bits(
            codes.view(np.uint8), self.bits
        )

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        if self.scale is not None:
            return self.values_of(self._all_codes(data, shared), shared)
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        peaks = reader.floats(-(-numel // self.block), "peaks")
        packed = reader.take(packed_bytes(numel, self.bits), "codes")
        reader.end()
        return dequantise_blocks(peaks, self._codes(packed, numel), self.block, self._divisor)

    def _codes(self, packed: memoryview, numel: int) -> Int8s:
        if self.bits == 8:
            codes = np.frombuffer(packed, np.int8)
        else:
            half = np.uint8(1 << (self.bits - 1))
            # Exclusive or and subtraction of the half extend the sign of a short two's complement.
            raw = unpack_bits(packed, numel, self.bits).astype(np.uint8, copy=False)
            codes = ((raw ^ half) - half).view(np.int8)
        if numel and self.rounding == "stochastic" and int(codes.min()) < -self._divisor:
            raise ValueError(f"int payload: code {codes.min()} is off the grid")
        return codes
