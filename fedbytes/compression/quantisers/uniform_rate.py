"""The step at which the uniform quantiser meets a rate: from a sample, then the whole vector."""

import math
from dataclasses import dataclass, replace

import numpy as np

from fedbytes.arrays import Floats
from fedbytes.compression.coding.integers import DIRECT_BITS, token_ranges
from fedbytes.compression.numerics.root_finding import (
    CLOSE,
    Correction,
    correct_step,
    solve_rate,
)
from fedbytes.compression.numerics.step_rounding import step_from_log2
from fedbytes.compression.quantisers.level_tokens import MAX_LEVEL, LevelTokens
from fedbytes.compression.quantisers.uniform import quantise_uniform

_SAMPLE = 1 << 15
_DEAD_ZONES = (0.0, 0.06, 0.12)
_DEAD_ZONE_BITS = 2.5  # highest rate at which a dead zone helps
_DEAD_ZONE_GAIN = 0.003  # bits per coordinate; less is sampling noise
_DITHERED_OCTAVES = 8  # even a step 2^8 times the peak rounds some up with dither: 0.05 bit
_TRIES, _SLOPES = 5, (0.01, 2.0)  # of the correction on the whole vector
_LOW_SHARE = 0.5  # share of the rate that the symbols of a short vector get at least


@dataclass(frozen=True)
class RateMatch:
    """A vector quantised at about the target rate.

    Attributes:
        step: the quantiser's step.
        dead_zone: shift of its thresholds away from zero, in steps.
        coded: the levels.
    """

    step: float
    dead_zone: float
    coded: LevelTokens


def quantise_at_rate(
    x: Floats, bits: float, rms: float, overhead: int, noise: Floats | None = None
) -> RateMatch:
    """Quantise x at about `bits` per coordinate.

    Where the rate jumps past the target (many equal values), take its lower side.

    Args:
        x: float32 [n], not all zero, of moderate magnitude.
        bits: the target rate, all bytes of the payload included.
        rms: root mean square of x.
        overhead: bytes of the payload besides the levels.
        noise: float32 [n] dither, or None.
    """
    stride = max(1, x.size // _SAMPLE) | 1  # odd: does not sample single columns of a matrix
    picked = np.ascontiguousarray(x[::stride])
    dither = None if noise is None else np.ascontiguousarray(noise[::stride])
    # 1. Solve for the step on a sample, within the levels' range.
    # In a short vector the frame may cost more than the rate: symbols keep half of it at least.
    budget = max(bits - 8 * overhead / x.size, bits * _LOW_SHARE)
    top = math.log2(max(float(x.max()), -float(x.min())))
    # From the finest step whose levels fit their number to a step that rounds all to zero.
    low, high = top - math.log2(MAX_LEVEL) + 1, top + (2 if noise is None else _DITHERED_OCTAVES)

    def sampled(log2_step: float) -> float:
        return _symbol_bits(quantise_uniform(picked, step_from_log2(log2_step), dither))

    start = min(max(math.log2(rms) + 2.05 - bits, low), high)
    found = solve_rate(sampled, budget, start, low, high)
    log2_step, dead_zone = found.log2_step, 0.0
    # 2. At low rates, widen the cell of zero if that pays, and lower the step by what it saves.
    if noise is None and found.matched and bits <= _DEAD_ZONE_BITS:
        dead_zone, fewer = _choose_dead_zone(
            np.ascontiguousarray(picked[::4]), step_from_log2(log2_step), bits
        )
        log2_step = min(max(log2_step - min(fewer / found.slope, 0.5), low), high)

    # 3. Quantise the whole, unless the sample was the whole, until the rate is close.
    def quantised(log2_step: float) -> tuple[RateMatch, float]:
        step = step_from_log2(log2_step)
        match = RateMatch(step, dead_zone, quantise_uniform(x, step, noise, dead_zone))
        return match, 8 * (match.coded.size() + overhead) / x.size

    tolerance = math.inf if x.size <= _SAMPLE else CLOSE
    rule = Correction((low, high), tolerance, _TRIES, _SLOPES)
    return correct_step(quantised, bits, replace(found, log2_step=log2_step), rule)


def _choose_dead_zone(x: Floats, step: float, bits: float) -> tuple[float, float]:
    """Return the best of a few dead zones, and the bits per coordinate that it saves.

    The best has the least distortion at equal rate. At high rates half a bit trades for a factor
    of 2 in distortion, and at low rates, where the curve of an entropy-coded quantiser is flatter,
    for less. Dead zones help peaked distributions at low rates.
    """
    rates, costs = [], []
    bits_per_octave = 0.5 + 0.06 / bits
    for dead_zone in _DEAD_ZONES:
        rate = _symbol_bits(quantise_uniform(x, step, None, dead_zone))
        distortion = max(_distortion(x, step, dead_zone), 1e-300)
        rates.append(rate)
        costs.append(rate + bits_per_octave * math.log2(distortion))
    best = min(range(len(costs)), key=lambda i: round(costs[i], 6))
    if costs[best] > costs[0] - _DEAD_ZONE_GAIN:
        best = 0
    return _DEAD_ZONES[best], rates[0] - rates[best]


def _distortion(x: Floats, step: float, dead_zone: float) -> float:
    """Return the squared error, in squared steps, with levels at their cells' means."""
    size = np.abs(x.astype(np.float64)) / step
    level = np.rint(size - dead_zone)
    offset = size - level
    total = float((offset**2).sum())
    for inside in (level == 1, level == 2, level > 2):
        members = offset[inside]
        total -= float(members.sum()) ** 2 / max(members.size, 1)
    return total


def _symbol_bits(coded: LevelTokens) -> float:
    """Return entropy of the tokens plus raw bits, per coordinate."""
    shares = coded.counts / coded.tokens.size
    raw = float((shares * token_ranges(DIRECT_BITS)[1][: shares.size]).sum())
    return raw - float((shares * np.log2(np.maximum(shares, 1e-300))).sum())
