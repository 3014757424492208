"""The least noise that keeps a promise."""

import math
from collections.abc import Callable

from scipy.optimize import brentq

GRAIN = 1e-4
"""What a noise multiplier is rounded up to a multiple of."""
LEAST, MOST = 1e-2, 1e6
"""What is tried: below the least, nothing is hidden; where the most is not enough, nothing is."""


def least_noise(epsilon_of: Callable[[float], float], epsilon: float) -> float:
    """Return the least noise multiplier of four decimals, from 0.01 on, of at most this epsilon.

    Args:
        epsilon_of: the epsilon of a noise multiplier; it falls as the noise grows.
        epsilon: the most that it may be, above 0.

    Raises:
        ValueError: if no noise is enough.
    """
    low = high = 1.0
    while epsilon_of(high) > epsilon:
        low, high = high, 2 * high
        if high > MOST:
            raise ValueError(
                f"dp: no noise gives epsilon={epsilon:g}, up to {MOST:g} times the clip: raise "
                "epsilon or delta, or make fewer rounds"
            )
    while epsilon_of(low) <= epsilon:
        if low == LEAST:
            return LEAST
        low, high = max(low / 2, LEAST), low

    def above(log: float) -> float:
        return epsilon_of(math.exp(log)) - epsilon

    found = float(brentq(above, math.log(low), math.log(high), xtol=1e-6))
    steps = math.floor(math.exp(found) / GRAIN)
    while epsilon_of(round(steps * GRAIN, 4)) > epsilon:  # the root is a little to either side
        steps += 1
    return round(steps * GRAIN, 4)
