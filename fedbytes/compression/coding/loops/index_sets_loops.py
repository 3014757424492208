"""Unary numbers of a bit string, and running sums of gaps."""

import numpy as np

from fedbytes.arrays import Indices, UInt8s, UInt32s
from fedbytes.compression.numerics.kernels import kernel

GAP_CHUNK = 1 << 16  # numbers that the numpy twins take at a time


def _read_unary_numpy(packed: UInt8s, gaps: UInt32s) -> tuple[int, int]:
    ones, used = 0, 0
    for start in range(0, packed.size, GAP_CHUNK):
        where = np.flatnonzero(np.unpackbits(packed[start : start + GAP_CHUNK], bitorder="little"))
        ends = where + (8 * start + 1)
        room = gaps[ones : ones + ends.size]
        room[:] = (np.diff(ends, prepend=used) - 1)[: room.size]
        ones += ends.size
        used = int(ends[-1]) if ends.size else used
    return ones, used


def _sum_gaps_numpy(gaps: UInt32s, n: int, indices: Indices) -> None:
    last = -1
    for start in range(0, gaps.size, GAP_CHUNK):
        part = np.cumsum(gaps[start : start + GAP_CHUNK], dtype=np.int64)
        part += np.arange(last + 1, last + 1 + part.size)
        indices[start : start + GAP_CHUNK] = np.minimum(part, n)
        last = int(part[-1])


@kernel(_read_unary_numpy)
def read_unary(packed, gaps):
    """Set the numbers of zeros before each one; return how many ones, and where the last ends."""
    ones, used, bit = 0, 0, 0
    for i in range(packed.size):
        byte = packed[i]
        bit = 8 * i
        while byte:
            if byte & np.uint8(1):
                # Counted even where there is no room: damaged bytes are told by the number.
                if ones < gaps.size:
                    gaps[ones] = bit - used
                ones += 1
                used = bit + 1
            byte >>= np.uint8(1)
            bit += 1
    return ones, used


@kernel(_sum_gaps_numpy)
def sum_gaps(gaps, n, indices):
    """Write the indices whose gaps are given, none above n."""
    last = np.int64(-1)
    for j in range(gaps.size):
        last += np.int64(gaps[j]) + 1
        # In 64 bits, then cut: damaged gaps would wrap around in 32 and look ascending.
        indices[j] = min(last, n)
