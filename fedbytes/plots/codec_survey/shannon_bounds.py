"""The least error at a given rate: Shannon's bound, and the best scalar quantiser."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

_Floats = NDArray[np.float64]
_EXTENT = {"norm": 9.0, "t": 3_000.0}  # standard deviations


@dataclass(frozen=True)
class Curve:
    """Rate in bits per coordinate, and the mean squared error over the variance, ascending rate."""

    rate: _Floats
    nmse: _Floats


def shannon_bound(distribution: str, rate: _Floats) -> _Floats:
    """Return the least NMSE at `rate`: 2^-2R for "gauss"; Shannon's lower bound for "t3".

    The bound of Student-t with 3 degrees of freedom lies below what can be reached at low rates;
    Shannon 1959.
    """
    power = 1.0
    if distribution == "t3":
        nats = 2 * (special.digamma(2.0) - special.digamma(1.5)) + np.log(
            np.sqrt(3) * special.beta(1.5, 0.5)
        )
        power = float(np.exp(2 * nats) / (2 * np.pi * np.e) / 3)
    return np.minimum(power * 4.0**-rate, 1.0)


@functools.cache
def ecsq_curve(distribution: str) -> Curve:
    """Return the curve of the uniform quantiser with entropy-coded symbols and cells' means."""
    law = stats.norm() if distribution == "gauss" else stats.t(3)
    found = [_quantise(law, step) for step in np.geomspace(12, 0.04, 60)]
    return Curve(np.array([rate for rate, _ in found]), np.array([nmse for _, nmse in found]))


def _quantise(law: stats.rv_continuous, step: float) -> tuple[float, float]:
    """Return rate and NMSE of cells of one width, zero in the middle of one of them.

    The cells end where almost no mass is left; beyond, the error is that of one cell.
    """
    variance = float(law.var())
    reach = int(max(_EXTENT[law.dist.name] * np.sqrt(variance) / step, 4))
    edges = (np.arange(-reach, reach + 2, dtype=np.float64) - 0.5) * step
    mass = np.diff(law.cdf(edges))
    first, second = (np.diff(moment) for moment in _partial_moments(law, edges))
    kept = mass > 1e-300
    rate = -float(np.sum(mass[kept] * np.log2(mass[kept])))
    inside = float(np.sum(second[kept] - first[kept] ** 2 / mass[kept]))
    beyond = 2 * float(law.sf(edges[-1])) * step**2 / 12
    return rate, (inside + beyond) / variance


def _partial_moments(law: stats.rv_continuous, x: _Floats) -> tuple[_Floats, _Floats]:
    """Return the integrals of t p(t) and of t^2 p(t) up to x, each up to a constant."""
    density = law.pdf(x)
    if law.dist.name == "norm":
        return -density, law.cdf(x) - x * density
    root = np.sqrt(3.0)
    second = 6 * root / np.pi * (np.arctan(x / root) / (2 * root) - x / (2 * (3 + x**2)))
    return -density * (3 + x**2) / 2, second
