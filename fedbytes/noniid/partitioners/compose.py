from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import count_categories, deal_examples
from fedbytes.noniid.allocation.fill_by_mix import fill_clients
from fedbytes.noniid.allocation.largest_remainder import largest_remainder
from fedbytes.noniid.allocation.proportional_fitting import fit_table
from fedbytes.noniid.contingency import Contingency
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner


@PARTITIONERS.register("compose")
@dataclass(frozen=True)
class Compose(Partitioner):
    """Mixes by one partitioner, sizes by another: label skew × quantity skew.

    The table of client and category that `mixes` draws is fitted to the sizes that `sizes` draws
    and to the number of examples of each category (iterative proportional fitting, which keeps
    the odds ratios), and then rounded by largest remainder. Sizes are met exactly. Mixes are
    met as far as the examples there are allow: a client of one class that is to be larger than
    the class takes others too.

    With `groups` in the call, groups such as authors stay together, which is label skew ×
    quantity skew × natural ids.

    Attributes:
        mixes: the partitioner whose mixes are taken, such as `dirichlet`.
        sizes: the partitioner whose sizes are taken, such as `quantity`.

    Example:
        >>> sizes = {"name": "quantity", "scheme": "linear"}
        >>> split = make_partitioner("compose", mixes="iid", sizes=sizes)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[2, 3, 4], [0, 1, 5, 6, 7]]
    """

    mixes: Partitioner
    sizes: Partitioner

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"mixes": {"name": "dirichlet", "alpha": 0.3}, "sizes": {"name": "quantity"}},
        {
            "mixes": "classes",
            "sizes": {"name": "quantity", "scheme": "explicit", "sizes": [9, 0, 20, 30]},
        },
    )

    @property
    def required_clients(self) -> int | None:
        """What either partitioner requires."""
        return self.sizes.required_clients or self.mixes.required_clients

    @property
    def required_categories(self) -> int | None:
        """What either partitioner requires."""
        return self.mixes.required_categories or self.sizes.required_categories

    def __post_init__(self) -> None:
        super().__post_init__()
        both = (self.sizes.required_clients, self.mixes.required_clients)
        if None not in both and both[0] != both[1]:
            raise ValueError(f"sizes is configured for {both[0]} clients, mixes for {both[1]}")

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        sized = self.sizes.assign(factor, num_clients, rng)
        mixed = self.mixes.assign(factor, num_clients, rng)
        sizes, totals = sized.sizes, count_categories(factor)
        fitted = fit_table(mixed.contingency(factor), sizes, totals, rng)
        # Clients that the fit leaves short, their classes being used up, take what is left.
        short = sizes - fitted.sizes
        left = totals - np.bincount(fitted.categories, fitted.counts, totals.size).astype(np.int64)
        weights = left.astype(np.float64)
        rest = fill_clients(
            lambda _: weights, short, left, lambda p, n: largest_remainder(p, n, rng), rng
        )
        both = Contingency(
            np.concatenate([fitted.clients, rest.clients]),
            np.concatenate([fitted.categories, rest.categories]),
            np.concatenate([fitted.counts, rest.counts]),
            num_clients,
            totals.size,
        )
        partition = Partition.from_owners(deal_examples(factor, both, rng), num_clients)
        partition.add_solved(mixed.solved, "mixes")
        partition.add_solved(sized.solved, "sizes")
        return partition
