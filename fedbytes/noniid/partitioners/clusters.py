from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.noniid.factor import Factor
from fedbytes.noniid.features.kmeans import k_means
from fedbytes.noniid.features.tfidf import tfidf_svd
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner, make_partitioner
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("clusters")
@dataclass(frozen=True)
class Clusters(Partitioner):
    """Cluster the texts by what they are about, then split by cluster: for data without labels.

    The factor is the column of texts, or their embeddings, floats [examples, dim]. Clusters are
    those of k-means and do not depend on the split's seed, so that seeds differ in who holds
    what and not in what there is. They are the same each time on one machine; another may round
    differently and move a text, which the partition's fingerprint shows.

    Attributes:
        num_clusters: of k-means; there are fewer if there are fewer distinct texts.
        features: what places a text: `tfidf` (hashed TF-IDF and truncated SVD, needs scipy), or
            `minilm`, sentence embeddings, which a configuration computes and which otherwise are
            given in the place of the texts.
        then: the partitioner that splits the clusters over clients.

    Example:
        >>> split = make_partitioner("clusters", num_clusters=2, then="natural")
        >>> texts = ["fast car", "red wine", "white wine", "slow car", "old wine"]
        >>> [part.tolist() for part in split(texts, num_clients=2).indices]
        [[1, 2, 4], [0, 3]]
    """

    num_clusters: int = bounded(10, least=1)
    features: Literal["tfidf", "minilm"] = "tfidf"
    then: Partitioner = field(default_factory=lambda: make_partitioner("dirichlet"))

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"num_clusters": 4, "then": {"name": "dirichlet", "alpha": 0.1}},
    )
    default_factor: ClassVar[str | None] = "text"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.then, Clusters):
            raise ValueError("clusters of clusters: `then` splits, such as dirichlet")

    @property
    def required_clients(self) -> int | None:
        """What `then` requires."""
        return self.then.required_clients

    def __call__(
        self, factor: Any, num_clients: int = 10, seed: int = 0, groups: Any = None
    ) -> Partition:
        """Split texts [examples], or embeddings [examples, dim], over clients.

        Raises:
            ValueError: for anything else, embeddings that are not finite, texts where `features`
                asks for embeddings, or whatever `then` refuses.
        """
        splitter, column = self.resolve(factor)
        return splitter(column, num_clients, seed, groups)

    def resolve(self, factor: Any) -> tuple[Partitioner, Any]:
        """Return `then` and the cluster of each example, int64 [examples]."""
        splitter, column = self.then.resolve(self.clusters(factor))
        return splitter, column

    def clusters(self, factor: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the cluster of each example, int64 [examples], the largest cluster first."""
        if hasattr(factor, "__array__"):
            array = np.asarray(factor)
            if array.ndim == 2 and array.dtype.kind == "f":
                return k_means(array, self.num_clusters)
        texts = Factor(factor).values
        if self.features != "tfidf":
            raise ValueError(
                f"features={self.features!r} needs the texts' embeddings, floats "
                "[examples, dim], in the place of the texts; or set features to tfidf"
            )
        return k_means(tfidf_svd(texts), self.num_clusters)

    def _assign(self, *_: Any) -> Partition:
        raise ValueError(
            "clusters makes the column that is split, so it stands outside of what splits: not "
            "inside mixture, compose or quantile, but with them as its `then`"
        )
