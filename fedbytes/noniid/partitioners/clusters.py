from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from fedbytes.noniid.arrays import Ints
from fedbytes.noniid.features.kmeans import k_means
from fedbytes.noniid.features.tfidf import tfidf_svd
from fedbytes.noniid.partitioner import PARTITIONERS, Needs, Partitioner, make_partitioner
from fedbytes.noniid.text_partitioner import TextPartitioner
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("clusters")
@dataclass(frozen=True)
class Clusters(TextPartitioner):
    """Cluster texts by topic, then split by cluster: for data without labels.

    The factor is the column of texts, or their embeddings, floats [examples, dim]. Clusters are
    those of k-means and do not depend on the split's seed, so that seeds differ in who holds
    what and not in what there is. They are the same each time on one machine; another may round
    differently and move a text, which the partition's fingerprint shows.

    Attributes:
        num_clusters: of k-means; there are fewer if there are fewer distinct texts.
        features: how a text becomes a point: `tfidf` (hashed TF-IDF and truncated SVD, requires
            scipy), or `minilm`, sentence embeddings, which a run computes; from Python, give them
            instead of the texts.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.then, Clusters):
            raise ValueError("clusters of clusters: `then` splits, such as dirichlet")

    @property
    def needs(self) -> Needs:
        """Texts for `tfidf`, else embeddings."""
        return "texts" if self.features == "tfidf" else "embeddings"

    @property
    def identity(self) -> Sequence[Any]:
        """Kept, since a worker with another number of threads may sum in another order."""
        return self.num_clusters, self.features

    def make_column(self, given: Any) -> Ints:
        """Return the cluster of each example, int64 [examples], the largest cluster first.

        Raises:
            ValueError: for embeddings that are not finite, or missing texts.
        """
        points = self._checked(given)
        return k_means(points if points.ndim == 2 else tfidf_svd(points), self.num_clusters)
