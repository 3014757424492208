"""Exposure: how far up a secret stands among all that it could have been."""

from math import log2, pi, sqrt

import numpy as np
from scipy import stats

from fedbytes.arrays import Doubles


def sampled_exposure(loss: float, others: Doubles) -> float:
    """Return log2(n + 1) - log2(rank) of a secret among n other ones, by their losses.

    Of a secret whose loss is below those of all 1,023 others it is 10 bits, the most that so many
    can show; of one in their middle 1. Ties count half.

    >>> sampled_exposure(0.5, np.arange(1.0, 1024.0))
    10.0

    Args:
        loss: of the secret.
        others: of secrets drawn as it was, float64 [n].
    """
    rank = 1 + float((others < loss).sum()) + float((others == loss).sum()) / 2
    return log2(len(others) + 1) - log2(rank)


def guessed_exposure(others: int) -> float:
    """Return the mean exposure, among so many others, of a secret that the model never saw.

    Its rank is any with the same chance. It nears 1 / ln 2, 1.44 bits, as they get more.

    >>> round(guessed_exposure(1023), 3)
    1.435
    """
    ranks = np.arange(1, others + 2)
    return float(log2(others + 1) - np.log2(ranks).mean())


def fitted_exposure(loss: float, others: Doubles, secrets: int) -> float:
    """Return minus log2 of the share of secrets of a lower loss, by a skew-normal of the others'.

    It says what a sample is too small to show (Carlini et al. 2019), and is as good as its fit: the
    skew-normal has the others' mean, deviation and skewness. It is log2(secrets) at most, the
    exposure of the first of all.

    Args:
        loss: of the secret.
        others: of secrets drawn as it was, float64 [n].
        secrets: how many there are.
    """
    most = log2(secrets)
    deviation = float(others.std())
    if not deviation:
        return sampled_exposure(loss, others)
    skew = float(np.clip(stats.skew(others), -0.99, 0.99))
    bent = abs(skew) ** (2 / 3)
    delta = np.sign(skew) * sqrt(pi / 2 * bent / (bent + ((4 - pi) / 2) ** (2 / 3)))
    scale = deviation / sqrt(1 - 2 * delta**2 / pi)
    place = float(others.mean()) - scale * delta * sqrt(2 / pi)
    below = stats.skewnorm.logcdf(loss, delta / sqrt(1 - delta**2), loc=place, scale=scale)
    return float(min(most, max(0.0, -below / np.log(2))))
