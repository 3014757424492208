"""Random shares and sizes that partitioners draw."""

import math
from typing import Literal

import numpy as np

from fedbytes.noniid.allocation.largest_remainder import largest_remainder
from fedbytes.noniid.arrays import Floats, Ints

SizeScheme = Literal["equal", "log-normal"]


def draw_dirichlet(alpha: Floats, rng: np.random.Generator) -> Floats:
    """Return one draw of Dir(alpha), [parts]; parts of alpha 0 have no share.

    Any alpha that is finite, at least 0 and not 0 everywhere gives finite shares.
    """
    shares = np.zeros(alpha.size)
    positive = alpha > 0
    draw = rng.dirichlet(alpha[positive])
    if not np.all(np.isfinite(draw)):  # alpha beyond what floats carry: draw from the limit
        mean = alpha[positive] / alpha.max()
        mean /= mean.sum()
        draw = mean if alpha.max() > 1.0 else rng.multinomial(1, mean).astype(np.float64)
    shares[positive] = draw
    return shares


def check_alpha(alpha: tuple[float, ...] | float) -> tuple[float, ...] | float:
    """Return a concentration as floats.

    Raises:
        ValueError: if it is not finite, or not greater than 0; a vector may have zeros.
    """
    if isinstance(alpha, tuple | list):
        vector = tuple(float(a) for a in alpha)
        if not vector or not all(math.isfinite(a) and a >= 0 for a in vector) or not any(vector):
            raise ValueError(
                f"a vector alpha must be finite, at least 0 and not 0 everywhere, got {vector}"
            )
        return vector
    number = float(alpha)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"alpha must be finite and greater than 0, got {number}")
    return number


def draw_log_normal(count: int, sigma: float, rng: np.random.Generator) -> Floats:
    """Return log-normal shares that sum to one, [count]; sigma 0 makes them equal."""
    return normalise_shares(np.exp(_below_overflow(sigma * rng.standard_normal(count))))


def draw_pareto(count: int, exponent: float, rng: np.random.Generator) -> Floats:
    """Return Pareto shares that sum to one, [count]: P(share > s) falls as s ** -exponent."""
    return normalise_shares(np.exp(_below_overflow(rng.standard_exponential(count) / exponent)))


def normalise_shares(weights: Floats) -> Floats:
    """Return non-negative weights over their sum, equal shares where all are 0."""
    total = float(weights.sum())
    return weights / total if total > 0.0 else np.full(weights.size, 1.0 / max(weights.size, 1))


def draw_equal_sizes(total: int, count: int, rng: np.random.Generator) -> Ints:
    """Return sizes that sum to `total`, at most one apart, [count]; who gets more is drawn."""
    sizes = np.full(count, total // count, dtype=np.int64)
    sizes[rng.permutation(count)[: total % count]] += 1
    return sizes


def draw_client_sizes(
    sizes: tuple[int, ...] | SizeScheme,
    sigma: float,
    total: int,
    count: int,
    rng: np.random.Generator,
) -> Ints:
    """Return the sizes of `count` clients: equal, log-normal, or the given ones.

    Raises:
        ValueError: if given sizes need more than `total` examples.
    """
    if isinstance(sizes, tuple):
        if sum(sizes) > total:
            raise ValueError(f"sizes sum to {sum(sizes)}, there are only {total} examples")
        return np.array(sizes, dtype=np.int64)
    if sizes == "equal":
        return draw_equal_sizes(total, count, rng)
    return largest_remainder(draw_log_normal(count, sigma, rng), total, rng)


def check_sizes(sizes: tuple[int, ...] | SizeScheme) -> None:
    """Refuse given sizes that no split can have.

    Raises:
        ValueError: if there are none, or one is negative.
    """
    if isinstance(sizes, tuple) and (not sizes or min(sizes) < 0):
        raise ValueError(f"sizes must be at least 0, one per client, got {list(sizes)}")


def _below_overflow(logs: Floats) -> Floats:
    # Shares do not change when all weights are scaled, and the largest is 1 this way.
    return logs - logs.max() if logs.size else logs
