"""Coordinates drawn at random, and their values scaled so that the mean is right."""

import numpy as np

from fedbytes.arrays import CHUNK, LARGEST_FLOAT, Floats, Indices, UInt32s
from fedbytes.compression.coding.index_sets import index_type

_DRAWN_AT_A_TIME = 1 << 16


def scale_clipped(values: Floats, factor: float) -> Floats:
    """Return values * factor, clipped to float32, in the memory of the values if writable."""
    out = np.require(values, requirements=["W"])
    for start in range(0, out.size, CHUNK):
        with np.errstate(invalid="ignore"):  # damaged payloads; `Codec.decode` refuses the result
            wide = out[start : start + CHUNK].astype(np.float64) * factor
            out[start : start + CHUNK] = np.clip(wide, -LARGEST_FLOAT, LARGEST_FLOAT)
    return out


def random_subset(generator: np.random.Generator, n: int, k: int) -> Indices:
    """Return a uniformly random set of k of n indices, ascending.

    It has the indices with the smallest random uint32; ties go to the lower index.
    """
    if k >= n:
        return np.arange(n, dtype=index_type(n))
    # Sort few keys: nearly always, slightly more than k of them are below this limit.
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
    """Return the indices of those of n random uint32 that are at most `limit`, and their values."""
    indices, keys = [], []
    for start in range(0, n, _DRAWN_AT_A_TIME):
        batch = generator.integers(0, 1 << 32, min(_DRAWN_AT_A_TIME, n - start), np.uint32)
        near = np.flatnonzero(batch <= limit)
        indices.append((near + start).astype(index_type(n)))
        keys.append(batch[near])
    return np.concatenate(indices), np.concatenate(keys)
