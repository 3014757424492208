from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import cut_into_runs
from fedbytes.noniid.allocation.random_shares import draw_equal_sizes
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.noniid.target_heterogeneity import HeterogeneityTarget, Strength, set_default_strength
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("mixture")
@dataclass(frozen=True)
class Mixture(Partitioner):
    """A share of the examples is dealt out IID, the rest by another partitioner.

    Hsieh et al. 2020 (arXiv:1910.00189) call the rest the degree of non-IIDness.

    Attributes:
        then: what splits the rest, such as `shards`.
        iid_share: the share that is dealt out IID, drawn at random. 0.5 if neither it nor a
            target is given.
        target: the heterogeneity to reach, `{"nmi": 0.3}`, instead of a share.

    Example:
        >>> skewed = {"name": "shards", "shards_per_client": 1}
        >>> split = make_partitioner("mixture", then=skewed, iid_share=0.5)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[0, 1, 3, 6], [2, 4, 5, 7]]
    """

    then: Partitioner
    iid_share: float | None = bounded(None, least=0, most=1)
    target: HeterogeneityTarget | None = None

    strength: ClassVar[Strength | None] = Strength("iid_share", even=1.0, skewed=0.0)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"then": {"name": "shards", "shards_per_client": 1}, "iid_share": 0.3},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        set_default_strength(self, default=0.5)

    @property
    def required_clients(self) -> int | None:
        """What the inner partitioner requires."""
        return self.then.required_clients

    @property
    def required_categories(self) -> int | None:
        """What the inner partitioner requires."""
        return self.then.required_categories

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        order = rng.permutation(len(factor))
        number = int(np.floor(float(self.iid_share or 0.0) * len(factor) + 0.5))
        even, rest = order[:number], np.sort(order[number:])
        owners = np.full(len(factor), -1, dtype=np.int64)
        owners[even] = cut_into_runs(np.arange(number), draw_equal_sizes(number, num_clients, rng))
        if not rest.size:
            return Partition.from_owners(owners, num_clients)
        skewed = self.then.assign(factor.take(rest), num_clients, rng)
        owners[rest] = skewed.owners
        partition = Partition.from_owners(owners, num_clients, skewed.moved)
        partition.add_solved(skewed.solved, "then")
        return partition
