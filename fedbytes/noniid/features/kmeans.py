"""k-means from k-means++ seeds, deterministic."""

import warnings

import numpy as np
from numpy.typing import NDArray

from fedbytes.arrays import Doubles, Int64s
from fedbytes.process.optional_imports import import_extra
from fedbytes.streams import stream

_RESTARTS, _STEPS = 4, 30
# Points are rounded before they are compared, so that another order of sums in the linear
# algebra beneath them seldom moves a point to another cluster.
_DECIMALS = 6


def k_means(points: NDArray[np.floating], num_clusters: int) -> Int64s:
    """Return the cluster of each point, int64 [points], in 0 ... num_clusters - 1.

    Lloyd's algorithm from seeds of k-means++ (Arthur and Vassilvitskii 2007), the best of four
    starts; the starts come from a fixed stream. There are fewer clusters if there are fewer
    distinct points. Clusters are numbered from the largest to the smallest.

    Args:
        points: [points, dim], finite.
        num_clusters: at least 1.

    Raises:
        ValueError: for another shape, a value that is not finite, or no cluster.
    """
    kmeans2 = import_extra("scipy.cluster.vq", "k-means of partition 'clusters'").kmeans2
    if num_clusters < 1:
        raise ValueError(f"num_clusters must be at least 1, got {num_clusters}")
    rounded = np.round(_checked(points), _DECIMALS)
    best, least = np.zeros(len(rounded), dtype=np.int64), np.inf
    for start in range(_RESTARTS):
        seeds = _seeds(rounded, num_clusters, stream(0, "k-means", start))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a cluster may lose all its points
            centres, codes = kmeans2(rounded, seeds, iter=_STEPS, minit="matrix")
        spread = float(np.sum((rounded - centres[codes]) ** 2))
        if spread < least:
            best, least = codes.astype(np.int64), spread
    sizes = np.bincount(best)
    rank = np.empty(sizes.size, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(sizes.size)
    return rank[best]


def _checked(points: NDArray[np.floating]) -> Doubles:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] < 1:
        raise ValueError(f"points are [points, dim], got shape {array.shape}")
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if wrong.size:
        raise ValueError(f"{wrong.size} of {len(array)} points are not finite, first {wrong[0]}")
    return array


def _seeds(points: Doubles, count: int, rng: np.random.Generator) -> Doubles:
    """Draw up to `count` distinct points, each in proportion to its squared distance to others."""
    chosen = [int(rng.integers(len(points)))]
    distance = np.sum((points - points[chosen[0]]) ** 2, axis=1)
    while len(chosen) < count and distance.sum() > 0:
        upto = np.cumsum(distance)
        chosen.append(int(np.searchsorted(upto, rng.random() * upto[-1], side="right")))
        distance = np.minimum(distance, np.sum((points - points[chosen[-1]]) ** 2, axis=1))
    return points[chosen]
