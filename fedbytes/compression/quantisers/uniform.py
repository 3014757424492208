"""The uniform quantiser: coordinates to levels, and offsets of the levels to the cells' means."""

import numpy as np

from fedbytes.arrays import Floats, Int8s
from fedbytes.compression.coding.integers import (
    DIRECT,
    count_tokens,
    tokens_of,
)
from fedbytes.compression.quantisers.level_tokens import OFFSET_STEPS, LevelTokens
from fedbytes.compression.quantisers.loops.uniform_loops import (
    CLASSES,
    FIXED_POINT,
    sum_offsets,
    write_large_levels,
    write_level_tokens,
)


def quantise_uniform(
    x: Floats, step: float, noise: Floats | None = None, dead_zone: float = 0.0
) -> LevelTokens:
    """Round x [n > 0] to multiples of the step, |x| / step below 2^22.

    Args:
        x: float32 [n].
        step: the quantiser's step.
        noise: float32 [n] dither in steps, added before rounding, or None.
        dead_zone: shift of the thresholds away from zero, in steps.
    """
    inverse, shift = np.float32(1.0 / step), np.float32(dead_zone)
    tokens = np.empty(x.size, np.uint8)
    dither = np.empty(0, np.float32) if noise is None else noise
    largest = write_level_tokens(x, dither, inverse, shift, tokens)
    counts = count_tokens(tokens)
    if largest < DIRECT:
        return LevelTokens(tokens, np.empty(0, np.uint32), counts)
    large = np.empty(int(counts[DIRECT:].sum()) + 1, np.uint32)
    write_large_levels(x, dither, inverse, shift, tokens, large)
    large = large[:-1]
    found = count_tokens(tokens_of(large))
    found[:DIRECT] = counts[:DIRECT]
    return LevelTokens(tokens, large, found)


def level_offsets(x: Floats, step: float, dead_zone: float = 0.0) -> tuple[Int8s, float]:
    """Return the offsets of |q| = 1, 2, and 3 or more to the cells' means, and the energy kept.

    Offsets are in 1/256 step. The energy kept is ||x||^2 minus the squared error after rounding to
    the moved levels, in squared steps; for |q| >= 3 a lower bound.
    """
    sums = np.zeros((2, CLASSES), np.int64)
    sum_offsets(x, np.float32(1.0 / step), np.float32(dead_zone), sums)
    members, total = sums
    exact = total / float(FIXED_POINT) / np.maximum(members, 1)
    offsets = np.clip(np.rint(exact * OFFSET_STEPS), -128, 127).astype(np.int8)
    base = np.arange(1, CLASSES + 1)
    means, used = base + exact, base + offsets / OFFSET_STEPS
    # A level u keeps 2 m u - u^2 of each member of a cell with mean m.
    gains = 2 * means * used - used**2
    gains[-1] = CLASSES * (CLASSES - 1)  # without offset, each |q| keeps at least q^2 - |q|
    return offsets, float((members * gains).sum())
