import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Doubles
from fedbytes.noniid.allocation.deal_by_counts import cut_into_runs
from fedbytes.noniid.allocation.random_shares import draw_equal_sizes
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.noniid.target_heterogeneity import HeterogeneityTarget, Strength, set_default_strength
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("continuous")
@dataclass(frozen=True)
class Continuous(Partitioner):
    """Sort by strictness · z + (1 − strictness) · noise and cut into equal parts: one knob.

    z is the factor scaled to mean 0 and variance 1, and the noise is standard normal, as in
    flwr-datasets' ContinuousPartitioner. A factor that is not numeric counts by the index
    of its value in the sorted categories, so that neighbouring classes share clients.

    Attributes:
        strictness: 0 is IID, 1 a clean sort. 0.5 if neither it nor a target is given.
        target: the heterogeneity to reach, `{"nmi": 0.3}`, instead of a strictness.

    Example:
        >>> split = make_partitioner("continuous", strictness=1.0)
        >>> [part.tolist() for part in split([0.1, 2.5, 0.3, 1.9, 1.2, 0.7], num_clients=2).indices]
        [[0, 2, 5], [1, 3, 4]]
    """

    strictness: float | None = bounded(None, least=0, most=1)
    target: HeterogeneityTarget | None = None

    strength: ClassVar[Strength | None] = Strength("strictness", even=0.0, skewed=1.0)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"strictness": 0.5}, {"strictness": 1.0})

    def __post_init__(self) -> None:
        super().__post_init__()
        set_default_strength(self, default=0.5)

    @property
    def by_order(self) -> bool:
        """True: values are sorted."""
        return True

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        strictness = float(self.strictness or 0.0)
        noise = rng.standard_normal(len(factor))
        blended = strictness * _standard(factor) + (1.0 - strictness) * noise
        order = np.lexsort((rng.permutation(len(factor)), blended))
        sizes = draw_equal_sizes(len(factor), num_clients, rng)
        return Partition.from_owners(cut_into_runs(order, sizes), num_clients)


def _standard(factor: Factor) -> Doubles:
    """Return the column at mean 0 and variance 1, [examples]; 0 where all values are equal."""
    if factor.values.dtype.kind in "iuf":
        values = factor.values.astype(np.float64)
        # Scaled first, so that the squares of the largest floats do not overflow.
        values = values / max(float(np.abs(values).max(initial=0.0)), 1e-300)
    else:
        values = factor.codes.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the factor has infinite values, which cannot be scaled; bin it first")
    # fsum is exact, where numpy's sums depend on the machine's vector width.
    values -= math.fsum(values) / max(values.size, 1)
    deviation = math.sqrt(math.fsum(values * values) / max(values.size, 1))
    return values / deviation if deviation > 0.0 else np.zeros(values.size)
