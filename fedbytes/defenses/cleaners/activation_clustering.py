"""Activation clustering: in each class, drop the smaller of two clusters that are clearly two."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from fedbytes.defenses.cleaner_parts.client_rows import by_class, pooled_features, train_split
from fedbytes.defenses.cleaner_parts.dropping import keep_others
from fedbytes.federated import CLEANERS, Cleaner, PluginState, StageContext
from fedbytes.registry import bounded

_FEWEST = 6


@CLEANERS.register("activation_clustering")
@dataclass(frozen=True)
class ActivationClustering(Cleaner):
    """Split each class's features in two, and drop the smaller part where it stands apart.

    Chen et al. 2018 (arXiv:1811.03728): features of the model that the client was sent, in their
    first ten principal components, in two clusters by k-means. The smaller one is dropped if it has
    at most `largest` of the class and the mean silhouette is at least `silhouette`; both conditions
    are the paper's, with its figures of 35 % and, between 0.10 and 0.15 there, 0.15. A class of
    20 around 0 and of 4 around 5, of spread 0.1, loses the four. Classes of fewer than six examples
    are left alone. The paper's reduction is independent components; principal ones are ours.

    Attributes:
        largest: share of its class that the smaller cluster may have, to be dropped.
        silhouette: how far apart the two must be, from -1 to 1.
        components: principal components that are clustered.
        from_round: the first round that it drops in.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"from_round": 1},
        {"silhouette": 0.0, "from_round": 1},
    )
    reads_texts: ClassVar[bool] = True

    largest: float = bounded(0.35, above=0, most=0.5)
    silhouette: float = bounded(0.15, least=-1, most=1)
    components: int = bounded(10, least=1)
    from_round: int = bounded(2, least=1)

    def clean(
        self, indices: np.ndarray, context: StageContext, state: PluginState
    ) -> tuple[np.ndarray, PluginState]:
        """Keep what is not of a small cluster that stands apart."""
        if context.round < self.from_round:
            return indices, state
        features, rng = pooled_features(context, indices, self.name), context.rng()
        dropped = [np.zeros(0, np.int64)]
        for places in by_class(train_split(context, self.name), indices, self.name):
            if len(places) >= _FEWEST:
                small = self._small_cluster(features[places], rng)
                dropped.append(places[small])
        return keep_others(indices, np.concatenate(dropped)), state

    def _small_cluster(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return which rows are of a small cluster that stands apart, bool [rows]."""
        centred = features - features.mean(0)
        left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
        points = left[:, : self.components] * sizes[: self.components]
        nobody = np.zeros(len(points), dtype=bool)
        if not sizes[0] > 0:
            return nobody
        _, labels = kmeans2(points, 2, minit="++", rng=rng)
        small = labels == np.argmin(np.bincount(labels, minlength=2))
        alone = not 0 < small.sum() <= self.largest * len(points)
        if alone or mean_silhouette(points, small) < self.silhouette:
            return nobody
        found: np.ndarray = small
        return found


def mean_silhouette(points: np.ndarray, small: np.ndarray) -> float:
    """Return the mean silhouette of two clusters (Rousseeuw 1987), in [-1, 1].

    Of a point it is (b - a) / max(a, b): a is its mean distance to others of its own cluster, b
    to those of the other; 0 for a point that is alone.
    """
    distances, values = cdist(points, points), np.zeros(len(points))
    for own in (small, ~small):
        count = int(own.sum())
        if count < 2:
            continue
        a = distances[np.ix_(own, own)].sum(1) / (count - 1)
        b = distances[np.ix_(own, ~own)].mean(1)
        widest = np.maximum(a, b)
        values[own] = np.where(widest > 0, (b - a) / np.where(widest > 0, widest, 1), 0)
    return float(values.mean())
