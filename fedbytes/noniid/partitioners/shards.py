from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import shuffle_by_category
from fedbytes.noniid.allocation.random_shares import draw_equal_sizes
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("shards")
@dataclass(frozen=True)
class Shards(Partitioner):
    """Sort by class, cut into equal shards, and give each client a fixed number at random.

    McMahan et al. 2017 (arXiv:1602.05629). Examples are shuffled within a class. Shards differ by
    at most one example in size, and none is left over.

    Attributes:
        shards_per_client: shards of each client.

    Example:
        >>> split = make_partitioner("shards", shards_per_client=1)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[4, 5, 6, 7], [0, 1, 2, 3]]
    """

    shards_per_client: int = bounded(2, least=1)

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"shards_per_client": 2},
        {"shards_per_client": 5},
    )

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        clients = np.repeat(np.arange(num_clients), self.shards_per_client)
        sizes = draw_equal_sizes(len(factor), clients.size, rng)
        owners = np.empty(len(factor), dtype=np.int64)
        owners[shuffle_by_category(factor, rng)] = np.repeat(rng.permutation(clients), sizes)
        return Partition.from_owners(owners, num_clients)
