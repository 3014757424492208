"""The largest coordinates of each row, marked."""

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import Int32s
from fedbytes.compression.numerics.kernels import kernel
from fedbytes.compression.sparsifiers.loops import MAGNITUDE

Mask = npt.NDArray[np.bool_]


def _mark_largest_numpy(bits: Int32s, k: int, mask: Mask) -> None:
    magnitudes = bits & MAGNITUDE
    rank = bits.shape[1] - k
    edge = np.partition(magnitudes, rank, axis=1)[:, rank, None]
    np.greater_equal(magnitudes, np.maximum(edge, 1), out=mask)
    over = np.flatnonzero(np.count_nonzero(mask, axis=1) > k)
    if over.size:
        tied = magnitudes[over] == edge[over]
        allowed = k - np.count_nonzero(magnitudes[over] > edge[over], axis=1)
        mask[over] &= ~tied | (np.cumsum(tied, axis=1, dtype=np.int32) <= allowed[:, None])


@kernel(_mark_largest_numpy)
def mark_largest(bits, k, mask):
    """Mark the k largest magnitudes of each row, zeros left out."""
    # The k-th largest by histograms of the distance to the largest, each finer than the last.
    bins = 256 if bits.shape[1] > 256 else 32
    pool, counts = np.empty(bits.shape[1], np.int32), np.empty(bins + 1, np.int64)
    for r in range(bits.shape[0]):
        row, out = bits[r], mask[r]
        top = np.int32(0)
        for i in range(row.size):
            pool[i] = row[i] & np.int32(0x7FFFFFFF)
            top = max(top, pool[i])
        low, high = np.int64(0), np.int64(top)
        held, need, finest = row.size, k, 17 if bins == 256 else 20  # four octaves at first
        while low < high:
            shift = 0
            while shift < finest and (high - low) >> shift >= bins:
                shift += 1
            finest = 31
            counts[:] = 0
            for i in range(held):
                counts[min((high - pool[i]) >> shift, bins)] += 1
            step = 0
            while counts[step] < need:
                need -= counts[step]
                step += 1
            high -= step << shift
            if step < bins:
                low = max(low, high - (1 << shift) + 1)
            kept = 0
            for i in range(held):
                value = pool[i]
                pool[kept] = value
                kept += 1 if low <= value <= high else 0
            held = kept
        edge = max(high, 1)
        for i in range(row.size):
            out[i] = (row[i] & np.int32(0x7FFFFFFF)) >= edge
        last = row.size
        while high > 0 and held > need:  # of equals the first
            last -= 1
            if (row[last] & np.int32(0x7FFFFFFF)) == edge:
                out[last] = False
                held -= 1
