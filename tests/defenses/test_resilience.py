"""The resilience inequality |R(x) - mean_S|^2 <= kappa mean_S |x_i - mean_S|^2, for every S.

S is any set of n - f clients. The constants are those of Allouah et al. 2023 (arXiv:2302.01772) for
the trimmed mean, the median and the geometric median, recalled and not compared with the paper: the
tests say that no draw exceeds them, not that they are the least. Their Krum counts n - f - 1
neighbours; with Blanchard's n - f - 2 the same proof has n - 2 f - 1 honest rows among the chosen
one and its neighbours, one less: 6 (n - f) / (n - 2 f - 1). That of minimum-diameter averaging is
by the triangle: means of two sets that share a row differ by f / (n - f) times 2 diameters of S at
most, and the square of that diameter is 2 (n - f) times the variance at most.
"""

import numpy as np
import pytest
from robust_rules import aggregate, subsets

from fedbytes.streams import stream

DRAWS, CLIENTS, F, NUMEL = 1_000, 7, 2, 4
HALF = F / (CLIENTS - 2 * F)
KAPPA = {
    "trimmed_mean": 6 * HALF * (1 + HALF),
    "median": 4 * (1 + HALF) ** 2,
    "geometric_median": 4 * (1 + HALF) ** 2,
    "krum": 6 * (CLIENTS - F) / (CLIENTS - 2 * F - 1),
    "mda": 8 * F**2 / (CLIENTS - F),
}
SETS = subsets(CLIENTS, CLIENTS - F)


def draws():
    """Clients that agree, clients far apart, and up to f of them anywhere."""
    rng = stream(0, "resilience")
    for _ in range(DRAWS):
        rows = rng.normal(size=(CLIENTS, NUMEL)) * rng.choice([0.1, 1, 3], size=(CLIENTS, 1))
        wild = rng.integers(F + 1)
        rows[:wild] = rng.normal(size=(wild, NUMEL)) * 10.0 ** rng.uniform(0, 4) + rng.normal()
        yield rows.astype(np.float32).astype(np.float64)


def worst(rows, found):
    """Return the largest ratio of both sides over the sets."""
    means = SETS @ rows
    squares = ((rows[None] - means[:, None]) ** 2).sum(-1)
    variance = (squares * SETS).sum(1)
    return float((((found - means) ** 2).sum(-1) / variance).max())


def ratios(*defenses):
    return np.array([worst(rows, aggregate(rows, *defenses)) for rows in draws()])


def spec(name):
    return {"name": name} | ({"f": F} if name in ("trimmed_mean", "krum", "mda") else {})


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(KAPPA))
def test_the_inequality_holds(name):
    assert ratios(spec(name)).max() <= KAPPA[name] * (1 + 1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["trimmed_mean", "krum"])
def test_mixing_in_front_has_its_bound(name):
    bound = 8 * F / (CLIENTS - F) * (1 + KAPPA[name])
    assert ratios({"name": "nnm", "f": F}, spec(name)).max() <= bound


def test_the_mean_breaks_every_one():
    assert ratios().max() > max(KAPPA.values()) * 100
