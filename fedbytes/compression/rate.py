"""The quantiser step that meets a rate: found on a sample, then confirmed on the whole vector."""

import math
from collections.abc import Callable

import numpy as np

from .core import Floats
from .scaling import round_step
from .uniform import MAX_LEVEL, Quantised, quantise

_SAMPLE = 1 << 15
_TOLERANCE = 0.004  # of the rate
_LOW_SHARE = 0.5  # of the rate must be left to the symbols, however short the vector


def meet_rate(
    x: Floats, bits: float, rms: float, overhead: int, noise: Floats | None
) -> tuple[float, Quantised]:
    """Return a step and the vector quantised by it at about `bits` a coordinate.

    Args:
        x: float32 [n], not all zero, of moderate magnitude.
        bits: the rate, all bytes of the payload included.
        rms: the root mean square of x.
        overhead: bytes that the payload has beside the quantised vector.
        noise: float32 [n] dither, or None.
    """
    stride = max(1, x.size // _SAMPLE) | 1  # odd, so that it does not follow a matrix's columns
    picked = np.ascontiguousarray(x[::stride])
    dither = None if noise is None else np.ascontiguousarray(noise[::stride])
    budget = max(bits - 8 * overhead / x.size, bits * _LOW_SHARE)
    top = max(float(x.max()), -float(x.min()))
    low, high = math.log2(top) - math.log2(MAX_LEVEL) + 1, math.log2(top) + 2

    def sampled(place: float) -> float:
        return _symbol_bits(quantise(picked, _step(place), dither))

    start = min(max(math.log2(rms) + 2.05 - bits, low), high)
    place, slope = _solve(sampled, budget, start, low, high, 24)
    for _ in range(4):
        whole = quantise(x, _step(place), noise)
        least = max(bits * _LOW_SHARE, _TOLERANCE)
        rate = max(8 * (whole.size() + overhead) / x.size, least)
        if abs(rate - bits) <= _TOLERANCE * bits or x.size <= _SAMPLE:
            break
        moved = min(max(place + (rate - bits) / slope, low), high)
        if _step(moved) == _step(place):
            break
        place = moved
    return _step(place), whole


def _step(place: float) -> float:
    return round_step(2.0**place)


def _symbol_bits(coded: Quantised) -> float:
    """Return the entropy of the tokens and their raw bits, per coordinate."""
    shares = coded.counts[coded.counts > 0] / coded.tokens.size
    return 8 * len(coded.raw) / coded.tokens.size - float((shares * np.log2(shares)).sum())


def _solve(
    rate: Callable[[float], float], goal: float, start: float, low: float, high: float, tries: int
) -> tuple[float, float]:
    """Return where the falling function `rate` is `goal`, and about how steeply it falls there.

    Secant steps within a bracket; at worst (a rate that jumps) the bracket's better side.
    """
    place, slope = start, 1.0
    before: tuple[float, float] | None = None
    for _ in range(tries):
        value = rate(place)
        if abs(value - goal) <= _TOLERANCE / 2 * goal:
            break
        if before is not None and place != before[0]:
            measured = (before[1] - value) / (place - before[0])
            slope = min(max(measured, 0.2), 2.0)
        before = (place, value)
        low, high = (place, high) if value > goal else (low, place)
        if high - low < 1e-3:
            break
        place += min(max((value - goal) / slope, -2.0), 2.0)
        if not low < place < high:
            place = (low + high) / 2
    return place, slope
