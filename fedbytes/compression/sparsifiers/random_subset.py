"""Coordinates drawn at random, and their values scaled so that the mean is right."""

import numpy as np

from fedbytes.arrays import CHUNK, LARGEST_FLOAT, Indices, UInt32s
from fedbytes.compression.codec import Floats
from fedbytes.compression.coding.index_sets import index_type

_DRAWN_AT_A_TIME = 1 << 16


def scale_clipped(values: Floats, factor: float) -> Floats:
    """Return values * factor, kept within float32's range, in the values' memory if it may be."""
    out = np.require(values, requirements=["W"])
    for start in range(0, out.size, CHUNK):
        with np.errstate(invalid="ignore"):  # of damaged payloads; refused when all is decoded
            wide = out[start : start + CHUNK].astype(np.float64) * factor
            out[start : start + CHUNK] = np.clip(wide, -LARGEST_FLOAT, LARGEST_FLOAT)
    return out


def random_subset(generator: np.random.Generator, n: int, k: int) -> Indices:
    """Return k of n indices, ascending, each set of k as likely as any other.

    They are those whose random uint32 is smallest; ties go to the lower index.
    """
    if k >= n:
        return np.arange(n, dtype=index_type(n))
    # Uniform keys: nearly always a few more than k are below this, and few are to be sorted.
    likely = min((k + 6 * k**0.5 + 32) / n, 1) * (2**32 - 1)
    before = generator.bit_generator.state
    near, keys = _keys_below(generator, n, np.uint32(likely))
    if near.size < k:
        generator.bit_generator.state = before
        near, keys = _keys_below(generator, n, np.uint32(2**32 - 1))
    edge = np.partition(keys, k - 1)[k - 1]
    kept = keys < edge
    kept[np.flatnonzero(keys == edge)[: k - np.count_nonzero(kept)]] = True
    chosen: Indices = near[kept]
    return chosen


def _keys_below(
    generator: np.random.Generator, n: int, limit: np.uint32
) -> tuple[Indices, UInt32s]:
    """Return which of n random uint32 are at most `limit`, and these."""
    places, keys = [], []
    for start in range(0, n, _DRAWN_AT_A_TIME):
        drawn = generator.integers(0, 1 << 32, min(_DRAWN_AT_A_TIME, n - start), np.uint32)
        near = np.flatnonzero(drawn <= limit)
        places.append((near + start).astype(index_type(n)))
        keys.append(drawn[near])
    return np.concatenate(places), np.concatenate(keys)
