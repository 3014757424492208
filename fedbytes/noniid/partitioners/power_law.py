from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.class_assignment import assign_classes
from fedbytes.noniid.allocation.deal_by_counts import deal_examples, share_among_holders
from fedbytes.noniid.allocation.min_size import OnSmall, enforce_min_size
from fedbytes.noniid.allocation.random_shares import draw_log_normal, draw_pareto
from fedbytes.noniid.arrays import Floats, Ints
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("power_law")
@dataclass(frozen=True)
class PowerLaw(Partitioner):
    """Few classes per client, and heavy-tailed shares of a class: a few clients hold most of it.

    FedProx (Li et al. 2018, arXiv:1812.06127) calls its sizes a power law and draws them from a
    log-normal of sigma 2, which is the default here; `exponent` makes them a power law in fact.
    The paper's MNIST has 2 classes per client.

    Attributes:
        classes_per_client: distinct classes of a client; all of them where there are fewer.
        sigma: the standard deviation of the logarithm of log-normal shares.
        exponent: if given, shares are Pareto instead: the chance of a share above s falls as
            s ** -exponent. Smaller is heavier.
        min_size: the fewest examples a client may have; 0 for no limit.
        on_small: what to do if a client has fewer: `raise`, `repair` or `allow`, as `dirichlet`.

    Example:
        >>> split = make_partitioner("power_law", classes_per_client=1)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[4, 5, 6, 7], [0, 1, 2, 3]]
    """

    classes_per_client: int = bounded(2, least=1)
    sigma: float = bounded(2.0, least=0)
    exponent: float | None = bounded(None, above=0)
    min_size: int = bounded(0, least=0)
    on_small: OnSmall = "raise"

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"sigma": 2.0},
        {"exponent": 1.5, "classes_per_client": 5, "min_size": 2, "on_small": "repair"},
    )

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        holders = assign_classes(
            num_clients, factor.categories.size, self.classes_per_client, "balanced", rng
        )

        def weigh(_: int, members: Ints) -> Floats:
            if self.exponent is not None:
                return draw_pareto(members.size, self.exponent, rng)
            return draw_log_normal(members.size, self.sigma, rng)

        owners = deal_examples(
            factor, share_among_holders(factor, holders, num_clients, weigh, rng), rng
        )
        return enforce_min_size(owners, num_clients, self.min_size, self.on_small, rng)
