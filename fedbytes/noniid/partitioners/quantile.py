from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import count_categories
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, KeepColumn, Partitioner, compute_anew
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("quantile")
@dataclass(frozen=True)
class Quantile(Partitioner):
    """Bin an ordered column, such as a length or a date, and split by the bins.

    Bins hold about equally many examples; equal values are in one bin, so there may be fewer.
    `resolve` gives the bins, by which a run measures its partition; `Partition.metrics` of the
    column itself would see single values.

    Attributes:
        then: what splits the bins.
        quantiles: how many bins.

    Example:
        >>> apart = {"name": "shards", "shards_per_client": 1}
        >>> split = make_partitioner("quantile", then=apart, quantiles=2)
        >>> [part.tolist() for part in split([0.1, 2.5, 0.3, 1.9, 1.2, 0.7], num_clients=2).indices]
        [[1, 3, 4], [0, 2, 5]]
    """

    then: Partitioner
    quantiles: int = bounded(10, least=1)

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"then": {"name": "dirichlet", "alpha": 0.1}, "quantiles": 4},
    )

    @property
    def required_clients(self) -> int | None:
        """What the inner partitioner requires."""
        return self.then.required_clients

    @property
    def by_order(self) -> bool:
        """True: values are sorted."""
        return True

    def resolve(
        self,
        factor: Any,
        keep: KeepColumn = compute_anew,  # noqa: ARG002 - bins take no time
    ) -> tuple[Partitioner, Any]:
        """Return `then` and the bin of each example, which is what the split is measured by."""
        return self.then.resolve(self._bins(Factor(factor)).values)

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        return self.then.assign(self._bins(factor), num_clients, rng)

    def _bins(self, factor: Factor) -> Factor:
        sizes = count_categories(factor)
        # A value's bin is that of the middle of its run in the sorted column.
        middle = 2 * np.cumsum(sizes) - sizes
        bins = np.minimum(middle * self.quantiles // (2 * max(len(factor), 1)), self.quantiles - 1)
        return Factor.with_codes(bins[factor.codes], np.arange(self.quantiles))
