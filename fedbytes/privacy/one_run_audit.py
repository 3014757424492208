"""What epsilon a mechanism cannot have, by how many coin flips an auditor guesses in one run."""

from math import exp

import numpy as np
from scipy import stats

_MOST_EPSILON = 64.0
_HALVINGS = 40


def guess_p_value(
    candidates: int, guesses: int, correct: int, epsilon: float, delta: float
) -> float:
    """Return how likely so many right guesses are at most under (epsilon, delta).

    Privacy auditing with one training run (Steinke, Nasr and Jagielski 2023, arXiv:2305.08846):
    each candidate was put in by a fair coin of its own, and the auditor guesses some of the coins.
    Under pure privacy each guess is right with chance e^epsilon / (1 + e^epsilon) at most,
    whatever the others were; delta adds 2 * candidates * delta times the steepest mean of the
    binomial's mass below.

    >>> round(guess_p_value(100, 100, 75, np.log(3), 0.0), 3)
    0.553

    Args:
        candidates: how many coins there were.
        guesses: how many of them were guessed.
        correct: how many guesses were right.
        epsilon: that is claimed.
        delta: that is claimed.

    Raises:
        ValueError: for numbers that contradict each other.
    """
    if not 0 <= correct <= guesses <= candidates:
        raise ValueError(
            f"{correct} right of {guesses} guesses of {candidates} candidates: each must be at "
            "most the next"
        )
    chance = 1 / (1 + exp(-epsilon))
    tail = float(stats.binom.sf(correct - 1, guesses, chance))
    if not delta or not correct:
        return min(1.0, tail)
    below = stats.binom.pmf(np.arange(correct - 1, -1, -1), guesses, chance)
    steepest = float((np.cumsum(below) / np.arange(1, correct + 1)).max())
    return min(1.0, tail + 2 * candidates * delta * steepest)


def least_epsilon(
    candidates: int, guesses: int, correct: int, delta: float, confidence: float = 0.95
) -> float:
    """Return a lower bound of a mechanism's epsilon, of one run, at a confidence.

    What it says of a mechanism that claims less is that the claim is false. The guesses must be
    chosen before it is known which are right.

    >>> 0.6 < least_epsilon(1000, 100, 75, 1e-4) < 0.7
    True
    >>> least_epsilon(1000, 100, 50, 1e-4)
    0.0

    Args:
        candidates: how many coins there were.
        guesses: how many of them were guessed.
        correct: how many guesses were right.
        delta: of the mechanism.
        confidence: of the bound.
    """
    allowed = 1 - confidence
    if guess_p_value(candidates, guesses, correct, 0.0, delta) >= allowed:
        return 0.0
    low, high = 0.0, _MOST_EPSILON
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rejected = guess_p_value(candidates, guesses, correct, middle, delta) < allowed
        low, high = (middle, high) if rejected else (low, middle)
    return low
