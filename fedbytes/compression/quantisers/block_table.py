"""Codecs of 4 bits per coordinate: a table of sixteen levels times the block's peak.

Tables, scales and rounding equal those of bitsandbytes, value for value; tests compare them.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import UInt8s
from fedbytes.compression.codec import Codec, Floats, Payload
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.dynamic_8bit import (
    SCALE_GROUP,
    dequantise_scales,
    quantise_scales,
)
from fedbytes.compression.quantisers.loops.block_table_loops import (
    find_nearest_levels,
    scale_levels,
)
from fedbytes.plugin_fields import bounded

_BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
_SAFE_BLOCK = 256  # larger blocks near zero may gain energy from 8-bit scales


@dataclass(frozen=True)
class FourBit(Codec):
    """Each coordinate as the nearest of a table's levels times its block's largest magnitude.

    Wire: scale float32 [blocks], or with double_quant: mean float32, top float32
    [ceil(blocks / 256)], scale code uint8 [blocks]; then 4-bit codes [numel], packed, low half
    first.

    Attributes:
        block: coordinates a scale, a power of two from 32 to 4096.
        double_quant: whether the scales themselves are sent in 8 bits.
    """

    block: int = bounded(64, choices=_BLOCKS)
    double_quant: bool = False

    @property
    def contracts(self) -> bool:
        """True, but for double_quant with blocks above 256."""
        return not self.double_quant or self.block <= _SAFE_BLOCK

    @property
    @abstractmethod
    def table(self) -> Floats:
        """The sixteen levels, ascending, from -1 to 1; a code is a place in it."""

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        scales, codes = quantise_block_table(x, self.block, self.table)
        if not self.double_quant or x.size == 0:
            return scales.astype("<f4").tobytes() + pack_bits(codes, 4)
        mean, tops, small = quantise_scales(scales)
        head = np.concatenate(([mean], tops)).astype("<f4").tobytes()
        return b"".join((head, small.data, pack_bits(codes, 4)))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        blocks = -(-numel // self.block)
        reader = Reader(data, self.name)
        if not self.double_quant or numel == 0:
            scales = reader.floats(blocks, "scales")
        else:
            mean, *tops = reader.floats(1 + -(-blocks // SCALE_GROUP), "scale groups")
            small = reader.array("u1", blocks, "scale codes")
            scales = dequantise_scales(mean, np.array(tops, np.float32), small)
        codes = unpack_bits(reader.take(packed_bytes(numel, 4), "codes"), numel, 4)
        reader.end()
        return dequantise_block_table(
            scales, codes.astype(np.uint8, copy=False), self.block, self.table
        )


def quantise_block_table(x: Floats, block: int, table: Floats) -> tuple[Floats, UInt8s]:
    """Return the largest magnitude of each block and the 4-bit codes of finite x [n]."""
    largest = np.empty(-(-x.size // block), np.float32)
    codes = np.empty(x.size, np.uint8)
    bounds = (table[:-1] + table[1:]) / np.float32(2)
    find_nearest_levels(x, x.view(np.int32), block, bounds, largest, codes)
    return largest, codes


def dequantise_block_table(largest: Floats, codes: UInt8s, block: int, table: Floats) -> Floats:
    """Return table[code] * largest for each coordinate."""
    y = np.empty(codes.size, np.float32)
    scale_levels(largest, codes, block, table, y)
    return y
