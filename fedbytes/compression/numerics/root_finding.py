"""Find the quantiser step that meets a rate: roots of a falling, possibly jumping function."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")
_TOLERANCE = 0.002  # of the rate, on the sample
CLOSE = 0.006  # of the rate, on the whole vector; a sample is off by about 0.004
NEAR = 0.02  # share of the rate; a solution farther off is one side of a jump
_HALVINGS = 18  # of a bracket of at most some 20 doublings of the step
_SECANTS = 8  # secant steps before the bracket is halved


@dataclass(frozen=True)
class RateSolution:
    """log2 of a step, the bits that doubling it saves there, and whether the rate matches."""

    log2_step: float
    slope: float
    matched: bool


@dataclass(frozen=True)
class Correction:
    """How `correct_step` moves the step.

    Attributes:
        limits: least and largest log2_step.
        tolerance: of the rate, relative.
        tries: quantisations of the whole vector before bisection.
        slopes: bounds of the bits that doubling the step saves.
    """

    limits: tuple[float, float]
    tolerance: float
    tries: int
    slopes: tuple[float, float]


def solve_rate(
    rate: Callable[[float], float], goal: float, start: float, low: float, high: float
) -> RateSolution:
    """Solve rate(log2_step) = goal by secant steps, then by bisection.

    Args:
        rate: falling function from log2 of the step to bits per coordinate.
        goal: bits per coordinate.
        start: first log2_step to try.
        low: least log2_step.
        high: largest log2_step.
    """
    log2_step, slope = start, 1.0
    before: tuple[float, float] | None = None
    for tried in range(30):
        # A sample that meets the goal to half the tolerance leaves room for the whole vector.
        value = rate(log2_step)
        if abs(value - goal) <= _TOLERANCE / 2 * goal:
            return RateSolution(log2_step, slope, True)
        slope = slope_between(before, (log2_step, value), slope)
        before = (log2_step, value)
        # Keep the bracket; a step beyond it, or too many steps, fall back to its middle.
        low, high = (log2_step, high) if value > goal else (low, log2_step)
        if high - low < 1e-3:
            break
        # Two octaves at most: where the rate is flat, a secant would leap past the whole bracket.
        log2_step += min(max((value - goal) / slope, -2.0), 2.0)
        if tried > _SECANTS or not low < log2_step < high:
            log2_step = (low + high) / 2
    return RateSolution(high, slope, abs(value - goal) <= NEAR * goal)


def bisect_rate(
    rate: Callable[[float], float],
    goal: float,
    tried: list[tuple[float, float]],
    limits: tuple[float, float],
) -> float:
    """Bisect to a log2_step whose rate is near the goal; where the rate jumps, take the nearest.

    Args:
        rate: falling function from log2 of the step to bits per coordinate; may jump.
        goal: bits per coordinate.
        tried: pairs of log2_step and rate that are known, at least one.
        limits: least and largest log2_step.
    """
    low = max((log2_step for log2_step, value in tried if value > goal), default=limits[0])
    high = min(
        (log2_step for log2_step, value in tried if value <= goal and log2_step > low),
        default=limits[1],
    )
    found = dict(tried)
    for _ in range(_HALVINGS):
        log2_step = (low + high) / 2
        found[log2_step] = rate(log2_step)
        if abs(found[log2_step] - goal) <= CLOSE * goal:
            return log2_step
        low, high = (log2_step, high) if found[log2_step] > goal else (low, log2_step)

    # Distances are ratios of rates; a rate above the goal counts twice.
    def distance(log2_step: float) -> float:
        octaves = math.log2(max(found[log2_step], 1e-9) / goal)
        return max(2 * octaves, -octaves)

    return min(found, key=distance)


def slope_between(
    before: tuple[float, float] | None,
    now: tuple[float, float],
    otherwise: float,
    bounds: tuple[float, float] = (0.01, 2.0),
) -> float:
    """Return the fall of the rate per doubling of the step, between two (log2_step, rate).

    It is about 1 where the step is small, and elsewhere the share of nonzero coordinates.
    """
    if before is None or before[0] == now[0]:
        return otherwise
    return min(max((before[1] - now[1]) / (now[0] - before[0]), bounds[0]), bounds[1])


def correct_step(
    quantise: Callable[[float], tuple[_T, float]],
    goal: float,
    found: RateSolution,
    rule: Correction,
) -> _T:
    """Quantise a whole vector, and correct the step for what its sample misjudged.

    Args:
        quantise: quantises at a log2_step; returns the result and its bits per coordinate.
        goal: bits per coordinate.
        found: the solution on a sample.
        rule: how to correct it.
    """
    log2_step, slope = found.log2_step, found.slope
    tried: list[tuple[float, float]] = []
    for _ in range(rule.tries):
        result, rate = quantise(log2_step)
        if abs(rate - goal) <= rule.tolerance * goal:
            return result
        slope = slope_between(tried[-1] if tried else None, (log2_step, rate), slope, rule.slopes)
        tried.append((log2_step, rate))
        # The sample never met the goal, so its slope says nothing of the next step.
        if not found.matched:
            break
        log2_step = min(max(log2_step + (rate - goal) / slope, rule.limits[0]), rule.limits[1])
    if abs(rate - goal) > NEAR * goal:  # a jump, or an unrepresentative sample
        # Freed first: two quantised copies of the whole vector would double the peak memory.
        del result
        result = quantise(bisect_rate(lambda step: quantise(step)[1], goal, tried, rule.limits))[0]
    return result
