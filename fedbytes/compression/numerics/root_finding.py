"""Where a falling function reaches a goal: the log2 of a step that meets a rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass

_TOLERANCE = 0.002  # of the rate, on the sample
CLOSE = 0.006  # of the rate, on the whole; the sample misjudges it by about 0.004
NEAR = 0.02  # share of the rate; a solution farther off is one side of a jump
_HALVINGS = 18  # of at most some 20 doublings of the step
_SECANTS = 8  # secant steps before the bracket is halved


@dataclass(frozen=True)
class RateSolution:
    """log2 of a step, how many bits a doubling of it saves there, and whether the rate is met."""

    log2_step: float
    slope: float
    matched: bool


def solve_rate(
    rate: Callable[[float], float], goal: float, start: float, low: float, high: float
) -> RateSolution:
    """Return where the falling function `rate` is `goal`: secant steps, then halving a bracket.

    Args:
        rate: bits a coordinate at a log2_step, the log2 of a step.
        goal: bits a coordinate.
        start: a log2_step.
        low: the least log2_step.
        high: the largest.
    """
    log2_step, slope = start, 1.0
    before: tuple[float, float] | None = None
    for tried in range(30):
        value = rate(log2_step)
        if abs(value - goal) <= _TOLERANCE / 2 * goal:
            return RateSolution(log2_step, slope, True)
        slope = slope_between(before, (log2_step, value), slope)
        before = (log2_step, value)
        low, high = (log2_step, high) if value > goal else (low, log2_step)
        if high - low < 1e-3:
            break
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
    """Return a log2_step where the falling function `rate` is near `goal`, or else nearest to it.

    Args:
        rate: bits a coordinate at a log2_step, the log2 of a step; may jump.
        goal: bits a coordinate.
        tried: log2_steps and their rates, at least one.
        limits: the least log2_step and the largest.
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

    def distance(log2_step: float) -> float:  # of rates as ratios; what is above counts twice
        octaves = math.log2(max(found[log2_step], 1e-9) / goal)
        return max(2 * octaves, -octaves)

    return min(found, key=distance)


def slope_between(
    before: tuple[float, float] | None, now: tuple[float, float], otherwise: float
) -> float:
    """Return how much the rate falls from one (log2_step, rate) to another, per doubling of the step.

    About 1 where the step is small, and the share of the coordinates that are not zero elsewhere.
    """
    if before is None or before[0] == now[0]:
        return otherwise
    return min(max((before[1] - now[1]) / (now[0] - before[0]), 0.01), 2.0)
