"""The Pareto front of cost and value, and how sure it is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedbytes.streams import stream

_RESAMPLES = 1_000


def find_front(costs: Sequence[float], values: Sequence[float], rises: bool = True) -> list[int]:
    """Return the indices of the points that no other equals or beats in both, by ascending cost.

    Of two equal points the first is kept.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -values[i] if rises else values[i]))
    kept: list[int] = []
    for i in order:
        if values[i] != values[i]:
            continue
        best = values[kept[-1]] if kept else None
        if best is None or (values[i] > best if rises else values[i] < best):
            kept.append(i)
    return kept


def count_on_front(
    costs: NDArray[np.float64], values: NDArray[np.float64], rises: bool = True
) -> NDArray[np.float64]:
    """Return how probable it is that each method is on the front, over resampled seeds.

    Seeds are drawn with replacement, the same for all methods, as they share them.

    Args:
        costs: [methods] bytes of a run; they hardly differ between seeds.
        values: [methods, seeds] final values; NaN where a run is missing or diverged.
        rises: whether higher is better.

    Returns:
        [methods] shares of the draws; one seed makes them 0 or 1.
    """
    methods, seeds = values.shape
    drawn = stream(0, "bootstrap of the front").integers(0, seeds, size=(_RESAMPLES, seeds))
    drawn = drawn[:1] * 0 if seeds == 1 else drawn
    found = np.isfinite(values)
    picked = np.where(found, values, 0.0)[:, drawn].sum(-1)  # [methods, draws]
    counts = found[:, drawn].sum(-1)
    means = np.divide(picked, counts, out=np.full(picked.shape, -np.inf), where=counts > 0)
    means = means if rises else np.where(counts > 0, -means, -np.inf)
    order = np.argsort(costs, kind="stable")
    best = np.maximum.accumulate(means[order], axis=0)
    before = np.vstack([np.full((1, means.shape[1]), -np.inf), best[:-1]])
    on_front = np.empty((methods, means.shape[1]), dtype=bool)
    on_front[order] = means[order] > before
    return np.asarray(on_front.mean(axis=1))
